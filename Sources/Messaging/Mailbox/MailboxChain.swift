import ConnectProtocol

/// Which predecessors the pushes of a write may name.
///
/// A push with a wrong `previous` would make a device skip what came between, so a push without one
/// is always right.
enum MailboxChain: Hashable {
  /// Others may have written meanwhile.
  case broken
  /// The mailbox has grown by exactly what was written here. The top is the last offset so far; zero
  /// if it is not known.
  case unbroken(top: Offset)

  /// Goes on to the next entry of the write, and returns its predecessor; zero if it is not certain.
  mutating func append(_ offset: Offset) -> Offset {
    guard case .unbroken(let top) = self else { return .zero }
    self = .unbroken(top: offset)
    return top
  }
}
