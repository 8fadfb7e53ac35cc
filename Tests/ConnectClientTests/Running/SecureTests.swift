#if os(Linux)
  import ConnectProtocol
  import LocalCluster
  import TestSupport
  import Testing

  @testable import ConnectClient
  @testable import ConnectTestStand

  /// `wss://`, by the system's OpenSSL.
  @Suite struct SecureTests {
    private func trust(_ file: String) throws -> ConnectTransportSecurity {
      try .authorities(inFile: file)
    }

    /// How a first attempt ends.
    private func end(
      _ endpoint: ConnectEndpoint, trusting security: ConnectTransportSecurity?
    ) async throws -> ConnectionEnd {
      try await RunningClient.with(endpoint, configure: { $0.transportSecurity = security }) {
        client in
        while true {
          let (end, retryIn) = try await client.disconnected()
          #expect(retryIn != nil, "the server may have another certificate later: \(end)")
          // On a busy machine a connection may be reset before it is answered; the next one says more.
          if case .insecure(let why) = end, why.contains("Connection reset by peer") { continue }
          return end
        }
      }
    }

    @Test(arguments: ["localhost", "127.0.0.1"])
    func peopleChatThroughALoadBalancerWithTLS(host: String) async throws {
      let stand = try await TestStand.shared()
      let security = try self.trust(LocalCertificates.shared.caFile)
      let names = ["secure-\(host)-1", "secure-\(host)-2"]
      let users = try names.map { try #require(UserName($0)) }
      try await TLSProxy.with(to: stand.gateways[0].port) { proxy in
        func with(_ name: String, _ body: (RunningClient) async throws -> Void) async throws {
          try await RunningClient.with(
            proxy.endpoint(host), configure: { $0.transportSecurity = security },
            token: { try await stand.token(name) }, body)
        }
        try await with(names[0]) { one in
          try await with(names[1]) { other in
            for number in 0..<50 { try await one.enqueue(number, to: users[1]) }
            for number in 0..<50 { #expect(try await other.message().id == messageID(number)) }
            // More than one record of TLS holds.
            let long = String(repeating: "x", count: 40_000)
            try await other.client.send(to: users[0], body: long)
            #expect(try await one.message().body.decode(String.self) == long)
            one.client.breakConnection()
            try await one.enqueue(50, to: users[1])
            #expect(try await other.message().id == messageID(50))
            one.client.close()
            #expect(try await one.ended() == nil)
          }
        }
      }
    }

    @Test func aServerOfAnotherAuthorityIsNotTrusted() async throws {
      try await ScriptedGateway.with { gateway in
        try await TLSProxy.with(to: gateway.port) { proxy in
          let other = try self.trust(LocalCertificates.shared.otherCAFile)
          // The system's authorities, which are the default, have not signed it either.
          for security in [other, nil] {
            guard case .insecure(let why) = try await self.end(proxy.endpoint(), trusting: security)
            else {
              Issue.record("trusted")
              return
            }
            #expect(why.contains("which is not among the authorities to trust"))
          }
        }
      }
    }

    @Test func aCertificateOfAnotherHostIsNotAccepted() async throws {
      try await ScriptedGateway.with { gateway in
        try await TLSProxy.with(.wrongHost, to: gateway.port) { proxy in
          let security = try self.trust(LocalCertificates.shared.caFile)
          guard case .insecure(let why) = try await self.end(proxy.endpoint(), trusting: security)
          else {
            Issue.record("accepted")
            return
          }
          #expect(why.contains("its certificate is for other names (DNS:redis.example"))
        }
      }
    }

    @Test func aPlainPortIsToldAsSuch() async throws {
      let stand = try await TestStand.shared()
      let endpoint = ConnectEndpoint(
        host: "localhost", port: stand.gateways[0].port, isSecure: true)
      guard case .insecure(let why) = try await self.end(endpoint, trusting: nil) else {
        Issue.record("taken for TLS")
        return
      }
      #expect(why.contains("use redis:// or ws://"), "\(why)")
    }

    @Test func aPlainPortThatSaysNothingIsLeftInTime() async throws {
      try await ScriptedGateway.with { gateway in
        let endpoint = ConnectEndpoint(host: "localhost", port: gateway.port, isSecure: true)
        let begin = ContinuousClock.now
        let end = try await self.end(endpoint, trusting: nil)
        #expect(end == .timedOut)
        let limit = Duration.milliseconds(ConnectClientLimits.openMilliseconds)
        #expect(begin.duration(to: .now) >= limit)
      }
    }

    @Test func aFileWithoutAuthoritiesIsRefusedAtOnce() throws {
      let path = try LocalCertificates.shared.path
      for (file, why) in [
        ("\(path)/none.pem", "cannot be read"),
        (try LocalCertificates.shared.clientKeyFile, "unencrypted PEM"),
      ] {
        do throws(ConnectionEnd) {
          _ = try ConnectTransportSecurity.authorities(inFile: file)
          Issue.record("\(file) is taken")
        } catch {
          guard case .insecure(let text) = error else { throw error }
          #expect(text.contains(file) && text.contains(why))
        }
      }
    }
  }
#endif
