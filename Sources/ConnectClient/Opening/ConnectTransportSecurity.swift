import NIOCore

#if os(Linux)
  import TLS
#elseif canImport(Network)
  import NIOTransportServices
  import Network
#endif

/// TLS under a connection to a `wss://` address.
///
/// Nothing needs to be set: ``system`` is what a client uses. To have a TLS of your own, make one of these and
/// give it to ``ConnectClientConfiguration/transportSecurity``.
public struct ConnectTransportSecurity: Sendable {
  enum Means: Sendable {
    /// A handler of the channel.
    case handler(@Sendable (_ channel: any Channel, _ endpoint: ConnectEndpoint) throws -> Void)
    #if canImport(Network)
      /// Network.framework, beneath the channel.
      case network
    #endif
  }

  let means: Means

  /// TLS by a handler of SwiftNIO, such as that of swift-nio-ssl.
  ///
  /// - Parameter configure: adds a handler to the channel's pipeline, first of all and on its event
  ///   loop, that speaks TLS and verifies that the server is `host`.
  public init(
    _ configure: @escaping @Sendable (_ channel: any Channel, _ host: String) throws -> Void
  ) {
    self.means = .handler { channel, endpoint in try configure(channel, endpoint.host) }
  }

  #if os(Linux)
    /// TLS by the system's OpenSSL, which trusts what the system trusts, and verifies that the server is the
    /// host of the address. `SSL_CERT_FILE` and `SSL_CERT_DIR` name other authorities, as for all that uses
    /// OpenSSL.
    public static let system = ConnectTransportSecurity { try Self.systemContext.get() }

    /// The same, but it trusts the authorities in a file, and no others.
    ///
    /// - Parameter path: a file in PEM with one or more certificates. It is read at once: authorities that are
    ///   replaced take effect with a new value.
    /// - Throws: ``ConnectionEnd/insecure(_:)`` if the file cannot be used; it says why.
    public static func authorities(inFile path: String) throws(ConnectionEnd) -> Self {
      let context: TLSContext
      do throws(TLSError) {
        context = try TLSContext(TLSConfiguration(trust: .file(path)))
      } catch {
        throw .insecure("\(error)")
      }
      return Self { context }
    }

    /// Made once, so that all clients of a process share the sessions for short handshakes.
    private static let systemContext = Result { try TLSContext(TLSConfiguration()) }

    private init(_ context: @escaping @Sendable () throws -> TLSContext) {
      self.means = .handler { channel, endpoint in
        try channel.pipeline.syncOperations.addHandler(
          TLSClientHandler(
            context: context(), host: endpoint.host, port: endpoint.port, ready: nil),
          position: .first)
      }
    }
  #elseif canImport(Network)
    /// TLS by Network.framework, which trusts what the system trusts, and verifies that the server is the host of
    /// the address. For event loops of NIOTransportServices, as a client has by itself.
    public static let system = ConnectTransportSecurity(means: .network)

    private init(means: Means) { self.means = means }
  #endif

  /// The TLS of a client that was given none; nil where this library has none.
  static var standard: Self? {
    #if os(Linux) || canImport(Network)
      .system
    #else
      nil
    #endif
  }

  /// Whether it can be had on this event loop.
  func isUsable(on eventLoop: any EventLoop) -> Bool {
    switch self.means {
    case .handler: return true
    #if canImport(Network)
      case .network: return NIOTSConnectionBootstrap(validatingGroup: eventLoop) != nil
    #endif
    }
  }

  func configure(_ channel: any Channel, _ endpoint: ConnectEndpoint) throws {
    if case .handler(let configure) = self.means { try configure(channel, endpoint) }
  }

  /// Why TLS failed, if that is what failed.
  static func end(for error: any Error) -> ConnectionEnd? {
    #if os(Linux)
      if let error = error as? TLSError { return .insecure("\(error)") }
    #elseif canImport(Network)
      if let error = error as? NWError, case .tls = error {
        return .insecure("TLS with the server failed: \(error)")
      }
    #endif
    return nil
  }
}
