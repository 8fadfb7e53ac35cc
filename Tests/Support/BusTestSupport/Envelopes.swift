import ConnectProtocol
import Foundation
import MessageBus
import NIOCore
import Redis
import TestSupport

extension ReplyBytes {
  /// Bytes as a reply of Redis brings them.
  package init(_ bytes: [UInt8]) {
    var batch = RedisBatch()
    let reply = batch.append("GET", "bytes").cursor()
    let resp = Array("$\(bytes.count)\r\n".utf8) + bytes + Array("\r\n".utf8)
    do {
      var cursor = try RedisReplies(parsing: resp, count: 1)[reply]
      self = try cursor.slice()!
    } catch {
      fatalError("\(error)")
    }
  }

  package var array: [UInt8] { self.withUnsafeBytes { Array($0) } }
}

extension Envelope.Draft {
  /// A message whose body is `body`.
  package static func message(
    from: String = "alice", to: String = "bob", id: String = "m1", flags: Envelope.Flags = [],
    body: StaticString = "\"hello\""
  ) -> Envelope.Draft {
    .message(
      from: UserName(from)!, to: UserName(to)!, id: MessageID(id)!, flags: flags,
      body: UnsafeRawBufferPointer(start: body.utf8Start, count: body.utf8CodeUnitCount))
  }

  /// The bytes as they are stored.
  package var array: [UInt8] {
    [UInt8](unsafeUninitializedCapacity: self.byteCount) { buffer, count in
      self.write(to: UnsafeMutableRawBufferPointer(buffer))
      count = self.byteCount
    }
  }

  package var envelope: Envelope { Envelope(ReplyBytes(self.array))! }
}

extension Envelope {
  private func text(_ part: (UnsafeRawBufferPointer) -> UnsafeRawBufferPointer) -> String {
    self.bytes.withUnsafeBytes { String(decoding: part($0), as: UTF8.self) }
  }

  package var fromText: String { self.text(self.from) }
  package var toText: String { self.text(self.to) }
  package var idText: String { self.text(self.id) }
  package var bodyText: String { self.text(self.body) }
}
