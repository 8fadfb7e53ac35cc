import NIOCore

/// Visits every connection of a loop once per ping period, a share of them in each turn: so few that messages
/// do not wait for them, and so many that they are worth waking up for.
///
/// One timer for all, and none per connection: a connection that idles costs a pointer in a bucket, and knows
/// its place there.
final class ConnectionClock {
  /// Buckets whose time comes in a second.
  static let bucketsPerSecond = 10

  /// The time of the next turn, as long after the time of the last as its buckets say, however late that came: else
  /// each would add its lateness to the period. What was missed for longer than that is not made up for.
  static func turn(of buckets: Int, after last: NIODeadline, now: NIODeadline) -> NIODeadline {
    max(last + .milliseconds(Int64(buckets * 1_000 / Self.bucketsPerSecond)), now)
  }

  /// Where the clock has a connection.
  struct Place {
    fileprivate var bucket: Int32
    fileprivate var index: Int32
  }

  private var buckets: [[ConnectionHandler]]
  private var nextBucket = 0
  private var hand = 0
  private(set) var count = 0

  /// - Parameter periodSeconds: of ``bucketsPerSecond`` each.
  init(periodSeconds: Int) {
    precondition(periodSeconds > 0)
    self.buckets = Array(repeating: [], count: periodSeconds * Self.bucketsPerSecond)
  }

  func add(_ connection: ConnectionHandler) {
    precondition(connection.clockPlace == nil)
    let bucket = self.nextBucket
    self.nextBucket = (bucket + 1) % self.buckets.count
    connection.clockPlace = Place(
      bucket: Int32(bucket), index: Int32(self.buckets[bucket].count))
    self.buckets[bucket].append(connection)
    self.count += 1
  }

  /// Idempotent. The last of the bucket takes its place.
  func remove(_ connection: ConnectionHandler) {
    guard let place = connection.clockPlace else { return }
    connection.clockPlace = nil
    self.count -= 1
    let bucket = Int(place.bucket)
    let last = self.buckets[bucket].removeLast()
    guard last !== connection else { return }
    self.buckets[bucket][Int(place.index)] = last
    last.clockPlace = place
  }

  /// How many buckets the next turn has: those of ``GatewayLimits/visitsPerTurn`` connections, or of a second, or of a
  /// 25th of a shorter period.
  var bucketsPerTurn: Int {
    let count = max(self.count, 1)
    let worthwhile = (GatewayLimits.visitsPerTurn * self.buckets.count + count - 1) / count
    let most = min(Self.bucketsPerSecond, max(self.buckets.count / 25, 1))
    return min(worthwhile, most)
  }

  /// Visits the connections of the next buckets.
  func tick(_ buckets: Int, _ visit: (ConnectionHandler) -> Void) {
    for _ in 0..<buckets { self.tick(visit) }
  }

  private func tick(_ visit: (ConnectionHandler) -> Void) {
    // A copy: a visit may remove its connection.
    let due = self.buckets[self.hand]
    self.hand = (self.hand + 1) % self.buckets.count
    for connection in due { visit(connection) }
  }

  func forEach(_ body: (ConnectionHandler) -> Void) {
    let buckets = self.buckets
    for bucket in buckets {
      for connection in bucket { body(connection) }
    }
  }
}
