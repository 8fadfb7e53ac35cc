enum PasswordFile {
  /// Blocks.
  static func read(_ path: String) -> Result<String, RedisError> {
    SecretFile.text(of: path, limit: RedisLimits.maximumPasswordBytes).mapError {
      .unavailable("\(RedisError.passwordFileReason) \(path): \($0)")
    }
  }
}
