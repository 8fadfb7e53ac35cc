/// Visits every connection of a loop once per ping period, a share of them each second.
///
/// One timer for all, and none per connection: a connection that idles costs an entry in a bucket.
final class ConnectionClock {
  private var buckets: [[ObjectIdentifier: ConnectionHandler]]
  private var place: [ObjectIdentifier: Int] = [:]
  private var nextBucket = 0
  private var hand = 0

  /// - Parameter periodSeconds: Number of buckets, one for each second.
  init(periodSeconds: Int) {
    precondition(periodSeconds > 0)
    self.buckets = Array(repeating: [:], count: periodSeconds)
  }

  var count: Int { self.place.count }

  func add(_ connection: ConnectionHandler) {
    let bucket = self.nextBucket
    self.nextBucket = (bucket + 1) % self.buckets.count
    self.buckets[bucket][ObjectIdentifier(connection)] = connection
    self.place[ObjectIdentifier(connection)] = bucket
  }

  func remove(_ connection: ConnectionHandler) {
    guard let bucket = self.place.removeValue(forKey: ObjectIdentifier(connection)) else { return }
    self.buckets[bucket][ObjectIdentifier(connection)] = nil
  }

  /// Visits the connections of the present second.
  func tick() {
    let now = SystemClock.secondsSince1970()
    // A copy: a visit may remove its connection.
    let due = self.buckets[self.hand]
    self.hand = (self.hand + 1) % self.buckets.count
    for connection in due.values { connection.periodPassed(now: now) }
  }

  func forEach(_ body: (ConnectionHandler) -> Void) {
    let buckets = self.buckets
    for bucket in buckets {
      for connection in bucket.values { body(connection) }
    }
  }
}
