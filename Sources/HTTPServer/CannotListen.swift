import SocketErrors

/// A port that could not be listened on, in a sentence that says what to do.
package struct CannotListen: Error, CustomStringConvertible {
  package let description: String

  package init(host: String, port: Int, _ error: any Error) {
    let reason = SocketFailure.reason(of: error)
    let advice = SocketFailure.advice(onListening: error)
    self.description = "cannot listen on \(host):\(port): \(reason); \(advice)"
  }
}
