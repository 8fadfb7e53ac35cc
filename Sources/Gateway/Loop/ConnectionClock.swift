/// Visits every connection of a loop once per ping period, a share of them each second.
///
/// One timer for all, and none per connection: a connection that idles costs a pointer in a bucket, and knows
/// its place there.
final class ConnectionClock {
  /// Where the clock has a connection.
  struct Place {
    fileprivate var bucket: Int32
    fileprivate var index: Int32
  }

  private var buckets: [[ConnectionHandler]]
  private var nextBucket = 0
  private var hand = 0
  private(set) var count = 0

  /// - Parameter periodSeconds: Number of buckets, one for each second.
  init(periodSeconds: Int) {
    precondition(periodSeconds > 0)
    self.buckets = Array(repeating: [], count: periodSeconds)
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

  /// Visits the connections of the present second.
  func tick(_ visit: (ConnectionHandler) -> Void) {
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
