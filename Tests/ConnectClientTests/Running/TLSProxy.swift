#if os(Linux)
  import ConnectClient
  import Foundation
  import LocalCluster
  import LocalRedis
  import NIOConcurrencyHelpers
  import NIOCore
  import NIOPosix
  import TestSupport

  @testable import ConnectTestStand

  /// HAProxy, which takes the TLS off before a gateway, as a load balancer does.
  final class TLSProxy: Sendable {
    let port: Int
    private let process: ChildProcess
    private let directory: TemporaryDirectory

    /// Runs a test with a proxy before the port of a gateway.
    @discardableResult
    static func with<Result>(
      _ certificate: LocalCertificates.ServerCertificate = .valid, to gateway: Int,
      _ body: (TLSProxy) async throws -> Result
    ) async throws -> Result {
      let proxy = try await TLSProxy(certificate, to: gateway)
      do {
        let result = try await body(proxy)
        await proxy.stop()
        return result
      } catch {
        await proxy.stop()
        throw error
      }
    }

    private init(_ certificate: LocalCertificates.ServerCertificate, to gateway: Int) async throws {
      // HAProxy does not tell which port it was given, so it is told one that was free just now.
      self.port = try await TakenPort.free()

      self.directory = try TemporaryDirectory()
      let path = self.directory.path.string
      let files = try LocalCertificates.shared.serverFiles(certificate)
      // HAProxy wants both in one file.
      let certificate = try String(contentsOfFile: files.certificateFile, encoding: .utf8)
      let key = try String(contentsOfFile: files.keyFile, encoding: .utf8)
      try "\(certificate)\n\(key)\n"
        .write(toFile: "\(path)/server.pem", atomically: true, encoding: .utf8)
      try """
      defaults
        mode tcp
        timeout connect 5s
        timeout client 60s
        timeout server 60s
      frontend tls
        bind 127.0.0.1:\(self.port) ssl crt \(path)/server.pem
        default_backend gateway
      backend gateway
        server gateway 127.0.0.1:\(gateway)

      """.write(toFile: "\(path)/haproxy.cfg", atomically: true, encoding: .utf8)
      let errors = NIOLockedValueBox<[String]>([])
      self.process = try ChildProcess(
        executable: ChildProcess.find("haproxy") ?? "/usr/sbin/haproxy",
        arguments: ["-db", "-f", "\(path)/haproxy.cfg"], standardOutput: .discard,
        standardError: .lines { line in errors.withLockedValue { $0.append(line) } })
      let port = self.port
      let process = self.process
      try await eventually("HAProxy listens") {
        guard process.isRunning else {
          throw TestFailure("HAProxy ended: \(errors.withLockedValue { $0 })")
        }
        let channel = try? await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
          .connect(host: "127.0.0.1", port: port).get()
        try? await channel?.close()
        return channel != nil
      }
    }

    private func stop() async {
      _ = await self.process.terminate(grace: .seconds(2))
      self.directory.remove()
    }

    func endpoint(_ host: String = "localhost") -> ConnectEndpoint {
      ConnectEndpoint(host: host, port: self.port, isSecure: true)
    }
  }
#endif
