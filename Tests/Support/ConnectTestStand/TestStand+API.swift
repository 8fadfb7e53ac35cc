import BackendAPI
import MessageBus
import TestSupport

extension TestStand {
  /// An API for backends that runs, or ran.
  package struct RunningAPI: Sendable {
    package let port: Int
    package let service: RunningService
    let api: BackendAPIService

    /// Whether it says that it can serve.
    package func isReady() async -> Bool { await self.api.isReady() }

    /// A connection that has said nothing yet.
    package func connect() async throws -> HTTPTestConnection {
      HTTPTestConnection(try await TestSocket.open(port: self.port))
    }

    /// One request on a connection of its own.
    package func ask(_ request: HTTPTestRequest) async throws -> HTTPAnswer {
      let connection = try await self.connect()
      defer { connection.socket.close() }
      return try await connection.ask(request)
    }
  }

  /// The service token that tests use.
  package static let serviceToken = "0123456789abcdef0123456789abcdef"

  /// Starts an API for backends, and returns when it can serve.
  package func startAPI(
    tokens: String = TestStand.serviceToken,
    _ configure: (inout BackendAPIConfiguration) -> Void = { _ in }
  ) async throws -> RunningAPI {
    var configuration = BackendAPIConfiguration(
      host: "127.0.0.1", port: 0, keys: self.keys, tokens: try ServiceTokens(lines: tokens))
    configure(&configuration)
    let api = try await BackendAPIService(
      configuration: configuration, clients: self.clients, group: self.group, logger: self.logger)
    let service = RunningService(api, logger: self.logger)
    self.add(service)
    try await eventually("the API is ready") { await api.isReady() }
    guard let port = api.address?.port else { throw TestFailure("the API listens nowhere") }
    return RunningAPI(port: port, service: service, api: api)
  }
}
