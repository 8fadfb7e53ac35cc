import ConnectProtocol
import MessageBus
import NIOCore
import Redis
import WebSocket

/// A signal on its way to sockets, already as the frame that goes out: one for all devices of a user.
struct PassedSignal: Sendable {
  let user: UserName
  let frame: ByteBuffer

  init(user: UserName, from: UserName, name: MessageID, at: UInt64, body: ReplyBytes) {
    var (from, name) = (from.text, name.text)
    var frame = ByteBuffer()
    frame.writeWebSocketFrame(.text) { buffer in
      from.withUTF8 { from in
        name.withUTF8 { name in
          body.withUnsafeBytes { body in
            _ = buffer.writeSignal(
              from: UnsafeRawBufferPointer(from), name: UnsafeRawBufferPointer(name), at: at,
              body: body)
          }
        }
      }
    }
    self.user = user
    self.frame = frame
  }

  /// Whether a signal of that time comes too late at `now`: what it says may no longer hold.
  static func isLate(_ at: UInt64, now: UInt64) -> Bool {
    now > at && now - at > GatewayLimits.signalMilliseconds
  }
}
