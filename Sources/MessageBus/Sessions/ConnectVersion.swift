/// Which release this is: what `connect --version` prints, and what instances say of themselves.
public enum ConnectVersion {
  /// The release, as semver.org has it.
  public static let text = "0.4.0"
}
