import ConnectProtocol
import Redis

extension Envelope {
  /// An envelope to be written; nothing is copied before it lies in the command's buffer.
  package struct Draft {
    /// Fixed numbers before the body, as the kind has them.
    private enum Prefix {
      case none
      case copy(peerOffset: Offset, at: UInt64)
      case position(Position)

      var byteCount: Int {
        switch self {
        case .none: 0
        case .copy: Envelope.copyBytes
        case .position: Envelope.positionBytes
        }
      }
    }

    private let kind: Kind
    private let flags: Flags
    private let firstSent: UInt64?
    package let from: UserName
    package let to: UserName
    private let id: String
    private let prefix: Prefix
    private let body: UnsafeRawBufferPointer

    private init(
      _ kind: Kind, _ flags: Flags, from: UserName, to: UserName, id: String = "",
      firstSent: UInt64? = nil, prefix: Prefix = .none,
      body: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0)
    ) {
      self.kind = kind
      self.flags = firstSent == nil ? flags : flags.union(.dated)
      self.firstSent = firstSent
      self.from = from
      self.to = to
      self.id = id
      self.prefix = prefix
      self.body = body
    }

    /// A message. `body` must be one JSON value.
    ///
    /// - Parameter firstSent: when it was first sent, if that is known of one that was sent before: in
    ///   milliseconds since 1970, by Redis's clock.
    package static func message(
      from: UserName, to: UserName, id: MessageID, flags: Flags, firstSent: UInt64? = nil,
      body: UnsafeRawBufferPointer
    ) -> Draft {
      Draft(.message, flags, from: from, to: to, id: id.text, firstSent: firstSent, body: body)
    }

    /// The copy of a message for its sender.
    ///
    /// - Parameters:
    ///   - sender: whose message it is, and who gets the copy.
    ///   - peerOffset: its place in the recipient's mailbox.
    ///   - at: when it was sent, in milliseconds since 1970.
    ///   - flags: ``Flags/quiet`` of the message, ``Flags/retry`` if there may be a copy already, and
    ///     ``Flags/unstored``.
    package static func sent(
      by sender: UserName, to recipient: UserName, id: MessageID, flags: Flags,
      peerOffset: Offset, at: UInt64, body: UnsafeRawBufferPointer
    ) -> Draft {
      Draft(
        .sent, flags, from: recipient, to: sender, id: id.text,
        prefix: .copy(peerOffset: peerOffset, at: at), body: body)
    }

    /// How far `reader` has the messages of `user`, for the positions of `user`.
    package static func position(
      of reader: UserName, for user: UserName, _ position: Position
    ) -> Draft {
      Draft(.position, [], from: reader, to: user, prefix: .position(position))
    }

    /// Tells `to` that its message `id`, which was accepted, did not reach `recipient`.
    ///
    /// `code` must be a `FailureCode`, and outlive the draft.
    package static func failed(
      recipient: UserName, to: UserName, id: MessageID, code: UnsafeRawBufferPointer
    ) -> Draft {
      Draft(.failed, [], from: recipient, to: to, id: id.text, body: code)
    }

    package var byteCount: Int {
      Envelope.headerBytes + (self.firstSent == nil ? 0 : Envelope.dateBytes)
        + self.from.text.utf8.count + self.to.text.utf8.count + self.id.utf8.count
        + self.prefix.byteCount + self.body.count
    }

    /// Fills `raw`, which has exactly ``byteCount`` bytes.
    package func write(to raw: UnsafeMutableRawBufferPointer) {
      raw[0] = Envelope.version(self.flags)
      raw[1] = self.kind.rawValue
      raw[2] = self.flags.rawValue
      var position = Envelope.headerBytes
      if let firstSent = self.firstSent {
        raw.storeBytes(of: firstSent.bigEndian, toByteOffset: position, as: UInt64.self)
        position += Envelope.dateBytes
      }
      func add(_ name: String, lengthAt index: Int) {
        var name = name
        name.withUTF8 { utf8 in
          raw[index] = UInt8(utf8.count)
          UnsafeMutableRawBufferPointer(rebasing: raw[position...]).copyMemory(
            from: UnsafeRawBufferPointer(utf8))
          position += utf8.count
        }
      }
      add(self.from.text, lengthAt: 3)
      add(self.to.text, lengthAt: 4)
      add(self.id, lengthAt: 5)
      switch self.prefix {
      case .none: break
      case .copy(let peerOffset, let at):
        peerOffset.writeBigEndian(to: raw, at: position)
        raw.storeBytes(
          of: at.bigEndian, toByteOffset: position + Offset.packedBytes, as: UInt64.self)
      case .position(let value):
        value.delivered.writeBigEndian(to: raw, at: position)
        value.read.writeBigEndian(to: raw, at: position + Offset.packedBytes)
      }
      position += self.prefix.byteCount
      UnsafeMutableRawBufferPointer(rebasing: raw[position...]).copyMemory(from: self.body)
    }
  }

  /// The same envelope with the offset that it had on the bus, for a place in the mailbox that is
  /// not that offset.
  package func relocated(from origin: Offset) -> [UInt8] { self.stored(origin: origin) }

  /// The same envelope without the time of the first attempt, which a mailbox has no use for, and which
  /// releases before 0.4 could not read there.
  package func undated() -> [UInt8] { self.stored(origin: nil) }

  private func stored(origin: Offset?) -> [UInt8] {
    self.bytes.withUnsafeBytes { raw in
      let names = raw[self.namesStart...]
      let count = Self.headerBytes + (origin == nil ? 0 : Self.originBytes) + names.count
      return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
        let target = UnsafeMutableRawBufferPointer(buffer)
        target.copyMemory(from: UnsafeRawBufferPointer(rebasing: raw[..<Self.headerBytes]))
        var flags = self.flags.subtracting(.dated)
        if origin != nil { flags.insert(.relocated) }
        target[0] = Self.version(flags)
        target[2] = flags.rawValue
        origin?.writeBigEndian(to: target, at: Self.headerBytes)
        UnsafeMutableRawBufferPointer(rebasing: target[(count - names.count)...]).copyMemory(
          from: UnsafeRawBufferPointer(rebasing: names))
        initialized = count
      }
    }
  }
}
