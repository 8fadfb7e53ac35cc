#if !canImport(Darwin)
  import Foundation

  /// Functions that glibc's headers declare only under `_GNU_SOURCE`, which Swift does not
  /// define. Nil where glibc is older than the function.
  enum GNU {
    /// Since glibc 2.9: a pipe whose ends are close-on-exec from the start.
    static let pipe2 = find(
      "pipe2", as: (@convention(c) (UnsafeMutablePointer<Int32>, Int32) -> Int32).self)

    /// Since glibc 2.29: a working directory for `posix_spawn`.
    static let addChangeDirectory = find(
      "posix_spawn_file_actions_addchdir_np",
      as: (@convention(c) (
        UnsafeMutablePointer<posix_spawn_file_actions_t>, UnsafePointer<CChar>
      ) -> Int32).self)

    /// Since glibc 2.34: closes every descriptor from a number on.
    static let addCloseFrom = find(
      "posix_spawn_file_actions_addclosefrom_np",
      as: (@convention(c) (
        UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32
      ) -> Int32).self)

    private static func find<Function>(_ name: String, as type: Function.Type) -> Function? {
      dlsym(nil, name).map { unsafeBitCast($0, to: type) }
    }
  }
#endif
