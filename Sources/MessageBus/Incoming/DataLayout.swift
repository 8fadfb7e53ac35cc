/// The layout that all services which share data must have in common, as it stands in Redis: `16`,
/// the number of partitions, or `16 registry` where the keys of users live in a second Redis.
///
/// In one value, since it is written once and never changes: no service can see one half of it. And a
/// release that knows nothing of a second Redis refuses to start with it.
package struct DataLayout: Sendable, Hashable, CustomStringConvertible {
  package let partitions: Int
  /// Whether the keys of users are in a second Redis.
  package let hasRegistryRedis: Bool

  package init(of keys: Keys) {
    self.partitions = keys.partitions.all.count
    self.hasRegistryRedis = keys.hasRegistryRedis
  }

  /// Reads ``description``; nil for anything else.
  package init?(_ text: String) {
    let words = text.split(separator: " ", omittingEmptySubsequences: false)
    guard let partitions = words.first.flatMap({ Int($0) }),
      words.count == 1 || words.dropFirst() == [Self.registry]
    else { return nil }
    self.partitions = partitions
    self.hasRegistryRedis = words.count == 2
  }

  private static let registry: Substring = "registry"

  /// The form in which it is stored in Redis.
  package var description: String {
    self.hasRegistryRedis ? "\(self.partitions) \(Self.registry)" : "\(self.partitions)"
  }
}
