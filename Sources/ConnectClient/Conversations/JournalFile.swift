#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// A file of records, one a line behind its checksum; the first line names the owner.
///
/// It owns its descriptor: opened in `open`, closed in `deinit`.
///
/// Not to be used by two threads at a time, which its type does not say: ``FileStore`` uses it under a lock.
final class JournalFile: @unchecked Sendable {
  private static let header = "connect-store 1 "

  private let path: String
  private let owner: String
  private let syncs: Bool
  private var descriptor: Int32
  /// Bytes of whole lines.
  private var length: Int

  private init(path: String, owner: String, syncs: Bool, descriptor: Int32) {
    self.path = path
    self.owner = owner
    self.syncs = syncs
    self.descriptor = descriptor
    self.length = 0
  }

  deinit { _ = Self.closeFile(self.descriptor) }

  /// Opens the file of an owner, or makes it. A file that cannot be read is moved aside, for a person to look
  /// at, and an empty one is made in its place.
  ///
  /// - Throws: also when it was moved aside, so that this is known; it can then be opened.
  static func open(
    in directory: String, owner: String, syncs: Bool
  ) throws(ConnectStoreError) -> (JournalFile, [[UInt8]]) {
    let name = String(Self.checksum(Array(owner.utf8)), radix: 16)
    let path = "\(directory)/connect-\(name).log"
    let descriptor = try Self.openFile(path)
    let file = JournalFile(path: path, owner: owner, syncs: syncs, descriptor: descriptor)
    do throws(ConnectStoreError) {
      let bytes = try file.readAll()
      let header = Array((Self.header + owner).utf8)
      let line = Self.line(header)
      // Empty, or a crash has cut off the first line.
      guard bytes.count >= line.count || !line.starts(with: bytes) else {
        try file.cutOff()
        try file.append([header])
        try file.syncDirectory()
        return (file, [])
      }
      return (file, try file.records(bytes))
    } catch {
      if case .damaged = error { _ = rename(path, path + ".damaged") }
      throw error
    }
  }

  private static func openFile(_ path: String) throws(ConnectStoreError) -> Int32 {
    let descriptor = Self.openPath(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC)
    guard descriptor >= 0 else { throw Self.failure("\(path) cannot be opened") }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      _ = Self.closeFile(descriptor)
      throw .unavailable("\(path) is open in another client: close that first")
    }
    // Between the two calls, another client may have replaced the file and let go of it.
    var (opened, named) = (stat(), stat())
    guard fstat(descriptor, &opened) == 0, stat(path, &named) == 0, opened.st_ino == named.st_ino
    else {
      _ = Self.closeFile(descriptor)
      throw .unavailable("\(path) was replaced by another client: open it again")
    }
    return descriptor
  }

  private static func openPath(_ path: String, _ flags: Int32) -> Int32 {
    path.withCString {
      #if canImport(Darwin)
        Darwin.open($0, flags, 0o600)
      #elseif canImport(Musl)
        Musl.open($0, flags, 0o600)
      #else
        Glibc.open($0, flags, 0o600)
      #endif
    }
  }

  private static func closeFile(_ descriptor: Int32) -> Int32 {
    // A process that this one is just starting has the descriptor, too, and with it the lock.
    _ = flock(descriptor, LOCK_UN)
    #if canImport(Darwin)
      return Darwin.close(descriptor)
    #elseif canImport(Musl)
      return Musl.close(descriptor)
    #else
      return Glibc.close(descriptor)
    #endif
  }

  private static func failure(_ what: String) -> ConnectStoreError {
    let code = errno
    let text = "\(what): \(String(cString: strerror(code)))"
    return code == ENOSPC || code == EDQUOT ? .full(text) : .unavailable(text)
  }

  // MARK: Reading

  private func readAll() throws(ConnectStoreError) -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: ConnectClientLimits.storeReadBytes)
    while true {
      let count = read(self.descriptor, &buffer, buffer.count)
      if count == 0 { return bytes }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw Self.failure("\(self.path) cannot be read") }
      bytes += buffer[..<count]
      guard bytes.count <= ConnectClientLimits.storeBytes else {
        throw .damaged("\(self.path) is larger than \(ConnectClientLimits.storeBytes) bytes")
      }
    }
  }

  private func records(_ bytes: [UInt8]) throws(ConnectStoreError) -> [[UInt8]] {
    var records: [[UInt8]] = []
    var start = 0
    while let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
      guard let record = Self.record(bytes[start..<end]) else {
        // Only the last line can have been cut off.
        guard end == bytes.count - 1 else {
          throw .damaged("\(self.path), line \(records.count + 1)")
        }
        break
      }
      records.append(record)
      start = end + 1
    }
    guard records.first == Array((Self.header + self.owner).utf8) else {
      throw .damaged("\(self.path) is not a store of \(self.owner)")
    }
    self.length = start
    if start < bytes.count { try self.cutOff() }
    return Array(records.dropFirst())
  }

  /// A record as it stands in the file.
  private static func line(_ record: [UInt8]) -> [UInt8] {
    var line = Array(String(Self.checksum(record), radix: 16).utf8)
    line.append(UInt8(ascii: " "))
    line += record
    line.append(UInt8(ascii: "\n"))
    return line
  }

  /// What stands in a line, if its checksum says so.
  private static func record(_ line: ArraySlice<UInt8>) -> [UInt8]? {
    guard let space = line.firstIndex(of: UInt8(ascii: " ")),
      let checksum = UInt64(String(decoding: line[..<space], as: UTF8.self), radix: 16)
    else { return nil }
    let record = Array(line[(space + 1)...])
    return Self.checksum(record) == checksum ? record : nil
  }

  /// FNV-1a of 64 bits: it finds what a disk or a crash has damaged, and nobody's intent.
  private static func checksum(_ bytes: [UInt8]) -> UInt64 {
    bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }

  // MARK: Writing

  func append(_ records: [[UInt8]]) throws(ConnectStoreError) {
    do throws(ConnectStoreError) {
      self.length += try Self.write(records, to: self.descriptor, self.path, syncs: self.syncs)
    } catch {
      // Half a record, or half of them, would be damage.
      try? self.cutOff()
      throw error
    }
  }

  private func cutOff() throws(ConnectStoreError) {
    guard ftruncate(self.descriptor, off_t(self.length)) == 0 else {
      throw Self.failure("\(self.path) cannot be shortened")
    }
  }

  func replace(with records: [[UInt8]]) throws(ConnectStoreError) {
    let path = self.path + ".new"
    _ = unlink(path)
    let descriptor = try Self.openFile(path)
    let header = Array((Self.header + self.owner).utf8)
    do throws(ConnectStoreError) {
      let length = try Self.write([header] + records, to: descriptor, path, syncs: self.syncs)
      guard rename(path, self.path) == 0 else {
        throw Self.failure("\(path) cannot be renamed")
      }
      // From here on the new one is the owner's, whatever fails.
      _ = Self.closeFile(self.descriptor)
      self.descriptor = descriptor
      self.length = length
    } catch {
      _ = Self.closeFile(descriptor)
      _ = unlink(path)
      throw error
    }
    try self.syncDirectory()
  }

  /// Forces a new name of the file to the disk: without it, a loss of power may take the file with all that was forced
  /// there.
  private func syncDirectory() throws(ConnectStoreError) {
    guard self.syncs, let slash = self.path.lastIndex(of: "/") else { return }
    let directory = String(self.path[..<slash])
    let descriptor = Self.openPath(directory.isEmpty ? "/" : directory, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Self.failure("\(directory) cannot be opened") }
    defer { _ = Self.closeFile(descriptor) }
    guard Self.force(descriptor) else {
      throw Self.failure("\(directory) cannot be forced to the disk")
    }
  }

  /// Forces what was written to the disk.
  ///
  /// - Returns: whether it is there.
  private static func force(_ descriptor: Int32) -> Bool {
    #if canImport(Darwin)
      // There fsync leaves it in the disk's cache. File systems that know no other way have that.
      if fcntl(descriptor, F_FULLFSYNC) == 0 { return true }
    #endif
    return fsync(descriptor) == 0
  }

  private static func write(
    _ records: [[UInt8]], to descriptor: Int32, _ path: String, syncs: Bool
  ) throws(ConnectStoreError) -> Int {
    var bytes: [UInt8] = []
    for record in records { bytes += Self.line(record) }
    var written = 0
    while written < bytes.count {
      let count = bytes[written...].withUnsafeBytes { raw in
        #if canImport(Darwin)
          Darwin.write(descriptor, raw.baseAddress, raw.count)
        #elseif canImport(Musl)
          Musl.write(descriptor, raw.baseAddress, raw.count)
        #else
          Glibc.write(descriptor, raw.baseAddress, raw.count)
        #endif
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw Self.failure("\(path) cannot be written") }
      written += count
    }
    guard !syncs || Self.force(descriptor) else {
      throw Self.failure("\(path) cannot be forced to the disk")
    }
    return bytes.count
  }
}
