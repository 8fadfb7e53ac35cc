/// Which release this is: what `connect --version` prints, and what instances say of themselves.
package enum ConnectVersion {
  /// The release, as semver.org has it.
  package static let text = "0.4.0"
}
