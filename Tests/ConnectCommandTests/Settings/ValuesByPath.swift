import MessageBus
import Redis

/// The values inside a value, each by its path: what tells two configurations apart.
enum ValuesByPath {
  static func of(_ value: Any) -> [String: String] {
    var values: [String: String] = [:]
    Self.add(value, at: "", to: &values)
    return values
  }

  private static func add(_ value: Any, at path: String, to values: inout [String: String]) {
    // Its names are many, and follow from these.
    if let keys = value as? Keys {
      let layout = (keys.prefix, keys.partitions.all.count, keys.hasRegistryRedis)
      return Self.add(layout, at: path, to: &values)
    }
    // A mirror of it leaves this out.
    if let url = value as? RedisURL {
      Self.add(url.password as Any, at: "\(path).password", to: &values)
    }
    let mirror = Mirror(reflecting: value)
    // What is behind a reference is not a setting, and an address differs each time.
    if mirror.displayStyle == .class { return }
    if mirror.children.isEmpty { values[path] = "\(value)" }
    for (index, child) in mirror.children.enumerated() {
      Self.add(child.value, at: "\(path).\(child.label ?? "\(index)")", to: &values)
    }
  }
}
