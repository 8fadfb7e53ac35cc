package enum ConnectVersion {
  /// The release, by semver.org: printed by `connect --version`, and reported by instances.
  package static let text = "0.4.0"
}
