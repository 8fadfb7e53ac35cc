import Foundation
import MessageBus

/// What operators see of a running instance.
enum InstanceDescription {
  static var fields: [(String, String)] {
    let process = ProcessInfo.processInfo
    return [
      ("started", "\(Int(Date().timeIntervalSince1970 * 1_000))"), ("host", process.hostName),
      ("pid", "\(process.processIdentifier)"), ("version", ConnectVersion.text),
    ]
  }
}
