import NIOCore
import NIOHTTP1

/// The generic types of which Swift's runtime must look up the parts for a connection.
///
/// Two threads that look one up at once for the first time, as those of a listener's first two connections, can crash
/// in Swift 6.3: one of them sees what the other has not completed. So a single thread does it before anybody can
/// connect.
enum ConnectionTypes {
  /// Whoever asks waits until it is done.
  static let areKnown: Bool = {
    _ = ByteToMessageHandler(HTTPRequestDecoder())
    return true
  }()
}
