import ConnectProtocol
import NIOCore

/// What the client passes on to users who are connected.
extension ConnectionHandler {
  func handle(_ signal: ClientFrame.Signal, payload: ByteBuffer) {}
}
