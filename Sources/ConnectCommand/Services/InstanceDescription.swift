import Foundation
import MessageBus

/// A running instance's description of itself, for operators.
enum InstanceDescription {
  static var fields: [(String, String)] {
    let process = ProcessInfo.processInfo
    return [
      ("started", "\(Int(Date().timeIntervalSince1970 * 1_000))"), ("host", process.hostName),
      ("pid", "\(process.processIdentifier)"), ("version", ConnectVersion.text),
    ]
  }
}
