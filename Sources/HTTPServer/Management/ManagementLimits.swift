/// Limits of the management port, each with its unit.
enum ManagementLimits {
  /// Connections at a time; more wait to be accepted. So few that they need no share of the process's
  /// descriptors: this port answers when all others have run out of them.
  static let connections = 16

  /// What the kernel keeps for a connection of what was written to it, and of what came from it, in
  /// bytes each.
  static let kernelBufferBytes = 64 * 1024
}
