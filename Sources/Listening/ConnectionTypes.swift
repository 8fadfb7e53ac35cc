import NIOCore
import NIOHTTP1

/// A generic type of each connection's pipeline, which Swift's runtime puts together when it is first used.
///
/// Two threads that do so at once, as those of a listener's first two connections, can crash in Swift 6.3: one of them
/// sees what the other has not completed. This is the type with which that was seen. So a single thread uses it before
/// anybody can connect.
enum ConnectionTypes {
  /// Whoever asks waits until it is done.
  static let lookedUp: Void = { _ = ByteToMessageHandler(HTTPRequestDecoder()) }()
}
