import ConnectClient
import ConnectProtocol
import MessageBus

/// Rules for arguments. The parser names the value and the option of one that breaks its rule, and
/// says the rule behind them.
///
/// Arguments are read by these, not by `ExpressibleByArgument`, which has no words for a refusal.
package enum ArgumentRules {
  /// The violated rule, in words that complete "The value … is invalid for …: ".
  package struct Broken: Error, CustomStringConvertible {
    package let description: String

    package init(_ rule: String) { self.description = "it must be \(rule)" }
  }

  /// Makes `--rate=-1` of `--rate -1`, which the parser would say lacks its value. No option is named
  /// by a digit.
  package static func joiningNegativeNumbers(_ arguments: [String]) -> [String] {
    var joined: [String] = []
    for argument in arguments {
      let isNegative = argument.first == "-" && argument.dropFirst().first?.isNumber == true
      if isNegative, let last = joined.last, last.hasPrefix("--"), last.count > 2,
        !last.contains("=")
      {
        joined[joined.count - 1] = "\(last)=\(argument)"
      } else {
        joined.append(argument)
      }
    }
    return joined
  }

  package static func user(_ text: String) throws -> UserName {
    try Self.value(UserName(text), "a user name, \(UserName.alphabet)")
  }

  package static func device(_ text: String) throws -> DeviceName {
    try Self.value(DeviceName(text), "a device name, \(DeviceName.alphabet)")
  }

  package static func durability(_ text: String) throws -> Durability {
    try Self.value(Durability(text.lowercased()), Durability.form)
  }

  private static let endpoint =
    "host[:port][/path] with a port from 1 to 65535, such as ws://127.0.0.1:8080"

  /// Address of a gateway.
  package static func gateway(_ text: String) throws -> ConnectEndpoint {
    try Self.value(ConnectEndpoint(text), "ws:// or wss://\(Self.endpoint)")
  }

  /// Address of a gateway for the load generator, which has no TLS.
  package static func plainGateway(_ text: String) throws -> ConnectEndpoint {
    let endpoint = ConnectEndpoint(text).flatMap { $0.isSecure ? nil : $0 }
    return try Self.value(endpoint, "ws://\(Self.endpoint) (wss:// is not supported here)")
  }

  package static func wholeNumber(_ range: ClosedRange<Int>) -> @Sendable (String) throws -> Int {
    { text in
      try Self.value(
        Int(text).flatMap { range.contains($0) ? $0 : nil },
        range.upperBound == .max
          ? "a whole number, \(range.lowerBound) or more"
          : "a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
  }

  package static func value<Value>(_ value: Value?, _ rule: String) throws -> Value {
    guard let value else { throw Broken(rule) }
    return value
  }
}
