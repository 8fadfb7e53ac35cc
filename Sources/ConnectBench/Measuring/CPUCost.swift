/// CPU time of each kind of process per message, connect or entry, in microseconds.
struct CPUCost: Codable, Hashable, Sendable {
  let gateways: Double
  let messaging: Double
  let redis: Double
  /// Of all processes but the load generator.
  let all: Double
  let loadGenerator: Double

  init(gateways: Double, messaging: Double, redis: Double, all: Double, loadGenerator: Double) {
    self.gateways = gateways
    self.messaging = messaging
    self.redis = redis
    self.all = all
    self.loadGenerator = loadGenerator
  }

  /// - Parameter microseconds: of all processes of a kind together.
  init(_ microseconds: [MeasuredProcess.Role: Double], per count: Double) {
    func share(_ roles: [MeasuredProcess.Role]) -> Double {
      roles.reduce(0) { $0 + (microseconds[$1] ?? 0) } / count
    }
    self.init(
      gateways: share([.gateway]), messaging: share([.messaging]), redis: share([.redis]),
      all: share([.gateway, .messaging, .redis, .other]), loadGenerator: share([.loadGenerator]))
  }

  /// Each figure alone: the medians need not be of one run, and their sum not that of the whole.
  static func median(of costs: [CPUCost]) -> CPUCost? {
    guard !costs.isEmpty else { return nil }
    func median(_ figure: KeyPath<CPUCost, Double>) -> Double {
      costs.map { $0[keyPath: figure] }.median ?? 0
    }
    return CPUCost(
      gateways: median(\.gateways), messaging: median(\.messaging), redis: median(\.redis),
      all: median(\.all), loadGenerator: median(\.loadGenerator))
  }

  /// Titles of ``cells``.
  static let titles = ["gateways", "messaging", "redis", "all"]

  /// What a table has of it, in whole microseconds, or with a digit below a hundred.
  var cells: [String] {
    [self.gateways, self.messaging, self.redis, self.all].map { number in
      BenchReport.decimal(number, number < 100 ? 1 : 0)
    }
  }

  /// The same where nothing is known.
  static let unknownCells = titles.map { _ in "-" }
}

extension Collection where Element == Double {
  /// The middle one; the mean of the two in the middle; nil if there are none.
  var median: Double? {
    let sorted = self.sorted()
    guard !sorted.isEmpty else { return nil }
    return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
  }
}
