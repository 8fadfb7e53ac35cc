import Foundation

/// Replacement of one of a child's three standard streams.
enum ChildStream: ~Copyable {
  case null
  case inherit
  case append(path: String)
  case descriptor(FileDescriptor)
}

/// One call of `posix_spawn`, the only way in which this module starts processes.
struct Spawn {
  /// An absolute path.
  var executable: String
  var arguments: [String]
  var environment: [String: String]
  var workingDirectory: String?
  /// 0 for a group of its own.
  var processGroup: pid_t
  var blockedSignals = SignalSet.none

  /// Starts the process and returns its identifier.
  ///
  /// Nothing is inherited but the three streams, our user and limits. A failure to execute is thrown
  /// here, not reported as the child's exit.
  func run(
    input: borrowing ChildStream, output: borrowing ChildStream, error: borrowing ChildStream
  ) throws(ChildProcessError) -> pid_t {
    let attributes = try SpawnAttributes(
      processGroup: processGroup, blockedSignals: blockedSignals)
    let actions = try SpawnFileActions()
    try actions.add(input, as: STDIN_FILENO)
    try actions.add(output, as: STDOUT_FILENO)
    try actions.add(error, as: STDERR_FILENO)
    if let workingDirectory { try actions.changeDirectory(workingDirectory) }
    try actions.closeEverythingElse()

    let argumentVector = CStrings([executable] + arguments)
    let environmentVector = CStrings(environment.map { "\($0)=\($1)" })
    var identifier: pid_t = 0
    let code = posix_spawn(
      &identifier, executable, actions.pointer, attributes.pointer, argumentVector.pointer,
      environmentVector.pointer)
    guard code == 0 else { throw .refused(operation: "starting \(executable)", code: code) }
    return identifier
  }
}

/// Signals that are blocked when a process starts.
enum SignalSet {
  case none
  /// All except SIGCHLD, which a shell waits for. (SIGKILL and SIGSTOP cannot be blocked.)
  case allButChild

  var value: sigset_t {
    var set = sigset_t()
    switch self {
    case .none: sigemptyset(&set)
    case .allButChild:
      sigfillset(&set)
      sigdelset(&set, SIGCHLD)
    }
    return set
  }
}

private func check(_ code: Int32, _ operation: String) throws(ChildProcessError) {
  guard code == 0 else { throw .refused(operation: operation, code: code) }
}

#if canImport(Darwin)
  private typealias Attributes = posix_spawnattr_t?
  private typealias FileActions = posix_spawn_file_actions_t?
#else
  private typealias Attributes = posix_spawnattr_t
  private typealias FileActions = posix_spawn_file_actions_t
#endif

/// Owns a `posix_spawnattr_t`.
private struct SpawnAttributes: ~Copyable {
  let pointer: UnsafeMutablePointer<Attributes>

  init(processGroup: pid_t, blockedSignals: SignalSet) throws(ChildProcessError) {
    pointer = .allocate(capacity: 1)
    #if canImport(Darwin)
      pointer.initialize(to: nil)
    #else
      pointer.initialize(to: posix_spawnattr_t())
    #endif
    try check(posix_spawnattr_init(pointer), "posix_spawnattr_init")

    var flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF
    #if canImport(Darwin)
      flags |= POSIX_SPAWN_CLOEXEC_DEFAULT
    #endif
    try check(posix_spawnattr_setflags(pointer, Int16(flags)), "posix_spawnattr_setflags")
    try check(posix_spawnattr_setpgroup(pointer, processGroup), "posix_spawnattr_setpgroup")
    var mask = blockedSignals.value
    try check(posix_spawnattr_setsigmask(pointer, &mask), "posix_spawnattr_setsigmask")
    var defaults = sigset_t()
    sigfillset(&defaults)
    try check(posix_spawnattr_setsigdefault(pointer, &defaults), "posix_spawnattr_setsigdefault")
  }

  deinit {
    posix_spawnattr_destroy(pointer)
    pointer.deallocate()
  }
}

/// Owns a `posix_spawn_file_actions_t`.
private struct SpawnFileActions: ~Copyable {
  let pointer: UnsafeMutablePointer<FileActions>

  init() throws(ChildProcessError) {
    pointer = .allocate(capacity: 1)
    #if canImport(Darwin)
      pointer.initialize(to: nil)
    #else
      pointer.initialize(to: posix_spawn_file_actions_t())
    #endif
    try check(posix_spawn_file_actions_init(pointer), "posix_spawn_file_actions_init")
  }

  deinit {
    posix_spawn_file_actions_destroy(pointer)
    pointer.deallocate()
  }

  func add(_ stream: borrowing ChildStream, as number: Int32) throws(ChildProcessError) {
    let code =
      switch stream {
      case .null:
        posix_spawn_file_actions_addopen(
          pointer, number, "/dev/null", number == STDIN_FILENO ? O_RDONLY : O_WRONLY, 0)
      case .inherit:
        // Onto itself: clears its close-on-exec flag.
        posix_spawn_file_actions_adddup2(pointer, number, number)
      case .append(let path):
        posix_spawn_file_actions_addopen(
          pointer, number, path, O_WRONLY | O_CREAT | O_APPEND, 0o644)
      case .descriptor(let descriptor):
        posix_spawn_file_actions_adddup2(pointer, descriptor.rawValue, number)
      }
    try check(code, "setting up a child process's streams")
  }

  func changeDirectory(_ path: String) throws(ChildProcessError) {
    #if canImport(Darwin)
      let code = posix_spawn_file_actions_addchdir_np(pointer, path)
    #else
      let code = GNU.addChangeDirectory?(pointer, path) ?? ENOSYS
    #endif
    try check(code, "setting up a child process's directory")
  }

  /// Descriptors of ours that lack the close-on-exec flag stay behind too. (On macOS, the flag
  /// POSIX_SPAWN_CLOEXEC_DEFAULT does this.)
  func closeEverythingElse() throws(ChildProcessError) {
    #if !canImport(Darwin)
      let code = GNU.addCloseFrom?(pointer, STDERR_FILENO + 1) ?? 0
      try check(code, "setting up a child process's descriptors")
    #endif
  }
}

/// Owns a null-terminated vector of C strings.
private struct CStrings: ~Copyable {
  let pointer: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
  private let count: Int

  init(_ strings: [String]) {
    count = strings.count
    pointer = .allocate(capacity: count + 1)
    for (index, string) in strings.enumerated() {
      (pointer + index).initialize(to: strdup(string))
    }
    (pointer + count).initialize(to: nil)
  }

  deinit {
    for index in 0..<count { free(pointer[index]) }
    pointer.deallocate()
  }
}
