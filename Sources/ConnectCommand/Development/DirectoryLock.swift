import Foundation
import Settings

/// Keeps a directory of data for one process: two Redis servers that append to the same file lose what
/// the other has written.
///
/// The system lets go of the lock when the process ends, however that happens.
final class DirectoryLock {
  private let descriptor: Int32

  /// Creates the directory if it is missing, and locks it.
  init(_ directory: String) throws(Failure) {
    guard !directory.isEmpty else { throw .usage("--data: '' is not the name of a directory") }
    do {
      try FileManager.default.createDirectory(
        atPath: directory, withIntermediateDirectories: true)
    } catch {
      throw .usage("--data: \(directory) is not a directory, and cannot be made one")
    }
    let path = "\(directory)/connect.lock"
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      throw .usage("--data: cannot write to \(directory): \(String(cString: strerror(errno)))")
    }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      close(descriptor)
      throw .usage("--data: another `connect dev` keeps its data in \(directory); end it first")
    }
    self.descriptor = descriptor
  }

  deinit { close(self.descriptor) }
}
