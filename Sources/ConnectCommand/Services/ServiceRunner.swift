import HTTPServer
import Logging
import NIOCore
import ServiceLifecycle
import ServiceMetrics
import Settings

/// Runs services until one of ``StopSignals``, and turns an error into one line.
enum ServiceRunner {
  /// How long services may take to stop before they are cancelled, in seconds, beside the time in
  /// which a gateway lets its connections go.
  static let stopSeconds: Int64 = 10

  /// - Parameters:
  ///   - services: stopped in the reverse order.
  ///   - drainSeconds: the time in which gateways let their connections go.
  static func run(
    _ services: [any Service], drainSeconds: Int = 0, logger: Logger
  ) async throws(Failure) {
    var configuration = ServiceGroupConfiguration(
      services: ([SecondSignal()] + services).map {
        ServiceGroupConfiguration.ServiceConfiguration(service: $0)
      },
      gracefulShutdownSignals: StopSignals.all, logger: logger)
    configuration.maximumGracefulShutdownDuration = .seconds(Self.stopSeconds + Int64(drainSeconds))
    do {
      try await ServiceGroup(configuration: configuration).run()
    } catch let failure as Failure {
      throw failure
    } catch {
      throw Failure(.running, "\(error)")
    }
  }

  /// The management port, already listening; nil if it is switched off.
  static func management(
    _ address: ListenAddress?, metrics: MetricsStore, group: any EventLoopGroup,
    logger: Logger, isReady: @escaping @Sendable () async -> Bool
  ) async throws(Failure) -> [any Service] {
    guard let address else { return [] }
    do throws(CannotListen) {
      return [
        try await ManagementService(
          host: address.host, port: address.port, group: group,
          metrics: {
            PlainHTTPResponse(
              status: .ok, contentType: PrometheusText.contentType,
              body: ByteBuffer(string: PrometheusText.page(of: metrics)))
          }, isReady: isReady, logger: logger)
      ]
    } catch {
      throw Failure(.running, "\(error)")
    }
  }
}
