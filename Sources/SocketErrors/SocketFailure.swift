import NIOCore
import NIOPosix

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#elseif canImport(Android)
  import Android
#else
  import Glibc
#endif

/// # SocketErrors
///
/// The reason why a socket failed, in words for a person.
package enum SocketFailure {
  /// Returns a few words, such as "Connection refused".
  package static func reason(of error: any Error) -> String {
    switch error {
    case let error as NIOConnectionError:
      // Without an attempt to connect, it was the name.
      error.connectionErrors.first.map { Self.reason(of: $0.error) }
        ?? "the name \(error.host) does not resolve"
    case let error as IOError:
      strerror(error.errnoCode).map { String(cString: $0) } ?? "error \(error.errnoCode)"
    case ChannelError.connectTimeout:
      "no answer in time"
    case ChannelError.eof:
      "the connection was closed"
    default:
      "\(error)"
    }
  }

  /// Advice for an address that cannot be listened on, in words that the option which gives the
  /// address can follow: "… with --listen".
  package static func advice(onListening error: any Error) -> String {
    switch (error as? IOError)?.errnoCode {
    case EADDRINUSE: "end what is there, or choose another port"
    case EACCES, EPERM: "choose a port above 1023"
    default: "give an address of this machine"
    }
  }
}
