import ConnectProtocol
import HTTPServer
import MessageBus

/// # BackendAPI
///
/// The API for the backends of an app, over HTTP on a port of its own: to send a message in the
/// name of a user, to look at a user, to end the connections of one, to erase one.
///
/// - `Routing/` is which request means what, and who may make it.
/// - `Messages/` puts what backends send on the bus.
/// - `Users/` is what is told of a user, and what is done to one as a whole: end the connections, erase.
/// - `Description/` is all of it as an OpenAPI document.

/// Every limit and default of the API, each with its unit. Those of HTTP itself, with which a
/// server of it is made: ``http(bodyBytes:)``.
package enum BackendAPILimits {
  /// Bytes of a request's body, as many as a client's frame has.
  package static let bodyBytes = 65_536

  /// The shortest service token, in bytes: 128 bits in hexadecimal digits.
  package static let tokenBytes = 32

  /// The longest service token, in bytes.
  package static let maximumTokenBytes = 1_024

  /// Service tokens that are taken at a time: two while one is replaced, and some for backends that
  /// have one each.
  package static let tokens = 16

  /// Views and disconnects of users that are served at a time; more wait their turn. Each view may
  /// read pages of a mailbox.
  static let concurrentUsers = 8

  /// Erasures that are done at a time; more wait their turn. Each may wait for gateways, and then for
  /// replicas: a second each, one behind the other on one connection, where a reply is due within five.
  static let concurrentErasures = 4

  /// The most requests in each of the two queues. Further ones are refused.
  static let waitingUsers = 64

  /// The most devices that the view of a user lists.
  static let listedDevices = 1_000

  /// Time that a client is told to wait where something is unavailable, in seconds. Where it is
  /// overloaded, a random time up to as much again is added, so that not all come back at once.
  static let retryAfterSeconds = 1

  /// The most entries that one call of `erase_user.lua` removes: it blocks Redis meanwhile.
  static let entriesPerErasure = 4_096

  /// How long the erasing of a user waits until gateways have let the user's connections go, in
  /// milliseconds.
  static let closingMilliseconds: Int64 = 2_000

  /// Interval of the checks during that wait.
  static let closingPollMilliseconds: Int64 = 10

  static func http(bodyBytes: Int) -> HTTPServingLimits {
    var limits = HTTPServingLimits()
    limits.bodyBytes = bodyBytes
    return limits
  }
}

package struct BackendAPIConfiguration: Sendable {
  package var host: String
  /// 0 takes a free port.
  package var port: Int
  /// The keys that it shares with the services.
  package var keys: Keys
  /// The tokens that permit its use.
  package var tokens: ServiceTokens
  /// See ``BackendAPILimits/bodyBytes``.
  package var bodyBytes = BackendAPILimits.bodyBytes
  /// See `BusLimits.backlogEntries`. Must equal that of the gateways.
  package var backlogEntries = BusLimits.backlogEntries
  /// Number of copies of a message, or of an erasure, that must exist before it is accepted.
  package var durability = Durability.accepted
  /// Retention of the mailboxes, in seconds.
  package var retentionSeconds = BusLimits.mailboxRetentionSeconds
  /// Called with each answer, on the event loop of its connection: for metrics.
  package var onAnswer: @Sendable (Answer) -> Void = { _ in }

  package init(host: String, port: Int, keys: Keys, tokens: ServiceTokens) {
    self.host = host
    self.port = port
    self.keys = keys
    self.tokens = tokens
  }

  package struct Answer: Sendable, Hashable {
    /// The route that was asked for: `messages`, `user`, `erase`, `disconnect`, `openapi`, `asyncapi`,
    /// `healthz`, or `other`.
    package let route: String
    package let status: Int
    /// From the end of the request's head, or without one from its first byte, to the answer, in
    /// nanoseconds.
    package let nanoseconds: Int64
  }
}
