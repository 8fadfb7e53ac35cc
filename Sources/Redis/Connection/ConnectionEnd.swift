struct ConnectionEnd: Sendable, Hashable {
  let reason: RedisError
  /// Whether the server closed it while nothing was under way, as Redis's `timeout` does.
  let wasIdle: Bool
}
