/// CPU time of each kind of process per message, connect or entry, in microseconds. Nil for a kind of which no
/// process is known.
struct CPUCost: Codable, Hashable, Sendable {
  let gateways: Double?
  let messaging: Double?
  let redis: Double?
  /// Of all processes but the load generator.
  let all: Double
  let loadGenerator: Double?

  init(
    gateways: Double?, messaging: Double?, redis: Double?, all: Double, loadGenerator: Double?
  ) {
    self.gateways = gateways
    self.messaging = messaging
    self.redis = redis
    self.all = all
    self.loadGenerator = loadGenerator
  }

  /// - Parameter microseconds: of all processes of a kind together; without those of which none is known.
  /// - Returns: nil if there was nothing to pay for, or if nothing is known but of the load generator.
  init?(_ microseconds: [MeasuredProcess.Role: Double], per count: Double) {
    let shares = microseconds.mapValues { $0 / count }
    let services = shares.filter { $0.key != .loadGenerator }
    guard count > 0, !services.isEmpty else { return nil }
    self.init(
      gateways: shares[.gateway], messaging: shares[.messaging], redis: shares[.redis],
      all: services.values.reduce(0, +), loadGenerator: shares[.loadGenerator])
  }

  /// Each figure alone: the medians need not be of one run, and their sum not that of the whole.
  static func median(of costs: [CPUCost]) -> CPUCost? {
    guard let all = costs.map(\.all).median else { return nil }
    return CPUCost(
      gateways: costs.compactMap(\.gateways).median,
      messaging: costs.compactMap(\.messaging).median, redis: costs.compactMap(\.redis).median,
      all: all, loadGenerator: costs.compactMap(\.loadGenerator).median)
  }

  /// Titles of ``cells``.
  static let titles = ["gateways", "messaging", "redis", "all"]

  /// What a table has of it, in whole microseconds, or with a digit below a hundred.
  var cells: [String] {
    [self.gateways, self.messaging, self.redis, self.all].map { number in
      number.map { BenchReport.decimal($0, $0 < 100 ? 1 : 0) } ?? "-"
    }
  }

  /// The same of a cost of which nothing is known.
  static func cells(_ cost: CPUCost?) -> [String] { cost?.cells ?? Self.titles.map { _ in "-" } }
}

extension Collection where Element == Double {
  /// The middle one; the mean of the two in the middle; nil if there are none.
  var median: Double? {
    let sorted = self.sorted()
    guard !sorted.isEmpty else { return nil }
    return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
  }
}
