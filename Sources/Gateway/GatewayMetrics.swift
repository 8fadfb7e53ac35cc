import ConnectProtocol
import Metrics

/// Metrics of a gateway. Made once, shared by its loops; each count is an atomic addition.
struct GatewayMetrics: Sendable {
  let connections: Meter
  let accepted: Counter
  let delivered: Counter
  let fallenBehind: Counter
  let displacedDevices: Counter
  let positionsDelayed: Counter
  let positionsTold: Counter
  let signalsTaken: Counter
  let signalsDelivered: Counter
  let cursorsReset: Counter
  let acceptTime: Timer
  let deliverTime: Timer
  let backlog: Meter
  let tokenChecks: Counter
  let watchedUsers: Meter
  let presenceLooks: Counter
  private let signalsDropped: [SignalDrop: Counter]
  let requestEntries: Counter
  private let conversationLists: Counter
  private let histories: Counter
  private let rejected: [RejectionCode: Counter]
  private let refused: [RefusalCode: Counter]
  private let closed: [CloseCode: Counter]

  init(factory: any MetricsFactory) {
    func counter(_ label: String, _ dimensions: [(String, String)] = []) -> Counter {
      Counter(label: label, dimensions: dimensions, factory: factory)
    }
    self.connections = Meter(label: "connect_connections", dimensions: [], factory: factory)
    self.accepted = counter("connect_accepted_total")
    self.delivered = counter("connect_delivered_total")
    self.fallenBehind = counter("connect_fallen_behind_total")
    self.displacedDevices = counter("connect_displaced_devices_total")
    self.positionsDelayed = counter("connect_positions_delayed_total")
    self.positionsTold = counter("connect_positions_told_total")
    self.signalsTaken = counter("connect_signals_total")
    self.signalsDelivered = counter("connect_signals_delivered_total")
    self.watchedUsers = Meter(label: "connect_watched_users", dimensions: [], factory: factory)
    self.presenceLooks = counter("connect_presence_looks_total")
    self.signalsDropped = Self.byCode(SignalDrop.allCases) { reason in
      counter("connect_signals_dropped_total", [("reason", reason.rawValue)])
    }
    self.cursorsReset = counter("connect_cursors_reset_total")
    self.acceptTime = Timer(label: "connect_accept_seconds", dimensions: [], factory: factory)
    self.deliverTime = Timer(label: "connect_deliver_seconds", dimensions: [], factory: factory)
    self.backlog = Meter(label: "connect_backlog_entries", dimensions: [], factory: factory)
    self.tokenChecks = counter("connect_token_checks_total")
    self.requestEntries = counter("connect_request_entries_total")
    self.conversationLists = counter("connect_requests_total", [("type", "conversations")])
    self.histories = counter("connect_requests_total", [("type", "history")])
    self.rejected = Self.byCode(RejectionCode.allCases) { code in
      counter("connect_rejected_total", [("code", code.rawValue)])
    }
    self.refused = Self.byCode(RefusalCode.allCases) { code in
      counter("connect_refused_total", [("code", code.rawValue)])
    }
    self.closed = Self.byCode(Self.closeCodes) { code in
      counter("connect_closed_total", [("code", "\(code.rawValue)")])
    }
  }

  /// Why a signal was passed on no further.
  enum SignalDrop: String, CaseIterable {
    /// No device of the recipient is connected.
    case offline
    /// Redis did not say which are.
    case unavailable
    /// It was on its way too long.
    case late
    /// The recipient's client is slow to read.
    case slow
  }

  func signalDropped(_ reason: SignalDrop) { self.signalsDropped[reason]?.increment() }

  func rejected(_ code: RejectionCode) { self.rejected[code]?.increment() }

  func requested(_ request: RequestQueue.Request) {
    switch request {
    case .conversations: self.conversationLists.increment()
    case .history: self.histories.increment()
    }
  }

  func refused(_ code: RefusalCode) { self.refused[code]?.increment() }

  func closed(_ code: CloseCode) { self.closed[code]?.increment() }

  private static func byCode<Code: Hashable>(
    _ codes: [Code], _ make: (Code) -> Counter
  ) -> [Code: Counter] {
    Dictionary(uniqueKeysWithValues: codes.map { ($0, make($0)) })
  }

  /// All codes with which a gateway closes.
  private static let closeCodes: [CloseCode] = [
    .protocolError, .unsupportedData, .invalidPayload, .policyViolation, .messageTooBig,
    .tryAgainLater, .restart, .tokenExpired, .replaced, .noPong,
    .tooManyDevices,
  ]
}
