import NIOCore
import NIOEmbedded

@testable import TLS

/// A handler in a channel without a network.
final class Embedded {
  let channel = EmbeddedChannel()
  let recorder = Recorder()
  let handler: TLSClientHandler
  /// The failure of `ready`.
  private(set) var failure: TLSError?
  private(set) var isReady = false

  init(
    host: String = "localhost", context: TLSContext? = nil, connects: Bool = true
  ) throws {
    let ready = channel.eventLoop.makePromise(of: Void.self)
    let context = try context ?? TLSContext(TLSConfiguration(trust: .anybody))
    handler = TLSClientHandler(context: context, host: host, port: 1, ready: ready)
    ready.futureResult.assumeIsolated().whenComplete { [weak self] result in
      switch result {
      case .success: self?.isReady = true
      case .failure(let error): self?.failure = error as? TLSError
      }
    }
    try channel.pipeline.syncOperations.addHandlers(handler, recorder)
    if connects { try connect() }
  }

  func connect() throws {
    try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
  }

  func receive(_ bytes: some Sequence<UInt8>) throws {
    try channel.writeInbound(ByteBuffer(bytes: bytes))
  }

  func takeOutbound() throws -> [UInt8] {
    var all: [UInt8] = []
    while let buffer = try channel.readOutbound(as: ByteBuffer.self) {
      all += buffer.readableBytesView
    }
    return all
  }

  /// Each byte as a character, those beyond ASCII as zero.
  func outboundText() throws -> String {
    String(decoding: try takeOutbound().map { $0 < 0x80 ? $0 : 0 }, as: UTF8.self)
  }

  deinit { _ = try? channel.finish(acceptAlreadyClosed: true) }
}
