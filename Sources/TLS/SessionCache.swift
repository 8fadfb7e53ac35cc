import COpenSSL

/// Sessions by server, for short handshakes: bounded in servers, and in sessions of each.
///
/// A pure value; a session is whatever the caller stores.
struct SessionCache<Session> {
  private struct Kept {
    let session: Session
    let isSingleUse: Bool
  }

  private let maximumPeers: Int
  private let maximumSessionsPerPeer: Int
  /// The newest session last.
  private var kept: [TLSPeer: [Kept]] = [:]
  /// The servers in `kept`, the one whose session came last at the end. Searched once per handshake:
  /// it is short, and handshakes are expensive.
  private var order: [TLSPeer] = []

  init(maximumPeers: Int, maximumSessionsPerPeer: Int) {
    precondition(maximumPeers > 0 && maximumSessionsPerPeer > 0)
    self.maximumPeers = maximumPeers
    self.maximumSessionsPerPeer = maximumSessionsPerPeer
  }

  /// Keeps a session, and lets go of the oldest where there are too many.
  ///
  /// - Parameter isSingleUse: A ticket of TLS 1.3, which would otherwise let an observer link the
  ///   connections that show it (RFC 8446 §C.4). A session of TLS 1.2 replaces what was there.
  mutating func store(_ session: Session, isSingleUse: Bool, for peer: TLSPeer) {
    var sessions = isSingleUse ? self.kept[peer, default: []].filter(\.isSingleUse) : []
    if sessions.count == self.maximumSessionsPerPeer { sessions.removeFirst() }
    sessions.append(Kept(session: session, isSingleUse: isSingleUse))
    self.kept[peer] = sessions
    self.order.removeAll { $0 == peer }
    self.order.append(peer)
    if self.order.count > self.maximumPeers { self.kept[self.order.removeFirst()] = nil }
  }

  /// The newest session for a server, which is forgotten if it may be used only once.
  mutating func take(for peer: TLSPeer) -> Session? {
    guard let newest = self.kept[peer]?.last else { return nil }
    if newest.isSingleUse { self.kept[peer]?.removeLast() }
    return newest.session
  }

  mutating func forget(_ peer: TLSPeer) {
    self.kept[peer] = nil
    self.order.removeAll { $0 == peer }
  }

  func count(for peer: TLSPeer) -> Int { self.kept[peer]?.count ?? 0 }
}

/// Owns one reference to a session of OpenSSL: takes it over in `init`, gives it up in `deinit`.
///
/// Unchecked: the pointer never changes, OpenSSL counts references atomically, and what changes in a
/// session it changes under a lock of its own.
final class TLSSession: @unchecked Sendable {
  let pointer: OpaquePointer

  init(takingOver pointer: OpaquePointer) { self.pointer = pointer }

  deinit { SSL_SESSION_free(self.pointer) }

  /// Whether OpenSSL would offer it to a server.
  var isResumable: Bool { SSL_SESSION_is_resumable(self.pointer) != 0 }

  /// Whether it is a ticket of TLS 1.3.
  var isSingleUse: Bool { SSL_SESSION_get_protocol_version(self.pointer) >= TLS1_3_VERSION }
}
