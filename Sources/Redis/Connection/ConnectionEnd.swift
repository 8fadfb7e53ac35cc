/// How a connection that was ready has ended.
struct ConnectionEnd: Sendable, Hashable {
  /// Why.
  let reason: RedisError
  /// Whether the server has closed it while nothing was under way, as Redis's `timeout` makes it do.
  let wasIdle: Bool
}
