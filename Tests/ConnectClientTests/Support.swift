import ConnectProtocol
import NIOCore

@testable import ConnectClient

let alice = UserName("alice")!
let bob = UserName("bob")!

func messageID(_ number: Int) -> MessageID { MessageID("m\(number)")! }

func outgoing(_ number: Int) -> OutgoingMessage {
  OutgoingMessage(id: messageID(number), to: bob, body: json("\(number)"))
}

/// A body of which the test knows that it is JSON.
func json(_ text: String) -> MessageBody {
  MessageBody(ByteBuffer(string: text))
}

func welcome(
  offset: Offset = .zero, gap: Bool = false, unacked: Int = 256, sendsPerSecond: Int = 0,
  pingSeconds: Int = 25, positions: UInt64 = 0
) -> ServerFrame.Welcome {
  ServerFrame.Welcome(
    user: alice, device: .default, connection: "c1", gateway: "g1", offset: offset, gap: gap,
    limits: ServerFrame.Limits(
      frameBytes: 65_536, unacked: unacked, sendsPerSecond: sendsPerSecond,
      requestsPerSecond: 2, signalsPerSecond: 5),
    pingSeconds: pingSeconds, positions: positions, now: 1_000, retentionSeconds: 2_592_000)
}

/// Always draws the bound, so that a wait with jitter is its longest.
struct Greatest: RandomNumberGenerator {
  mutating func next() -> UInt64 { .max }
}
