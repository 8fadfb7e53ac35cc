import Foundation
import LocalCluster
import LocalRedis
import TestSupport

/// Runs a shell script to its end.
func shell(
  _ script: String, environment: [String: String] = [:], workingDirectory: String? = nil
) async throws -> (status: ExitStatus, lines: [String]) {
  let lines = Lines()
  let child = try ChildProcess(
    executable: "/bin/sh", arguments: ["-c", script], environment: environment,
    workingDirectory: workingDirectory, standardOutput: .lines(lines.append),
    standardError: .inherit)
  return (await child.waitForExit(), lines.all)
}

/// Where the package's executables are: beside the bundle of its tests.
var productsDirectory: URL {
  #if os(macOS)
    let bundle = Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") } ?? .main
    return bundle.bundleURL.deletingLastPathComponent()
  #else
    return Bundle.main.bundleURL
  #endif
}
