import ConnectProtocol
import ConnectTestStand
import MessageBus
import Metrics
import NIOCore
import Testing

@testable import Gateway

@Suite("Signals of one turn of the loop")
struct SignalWriterTests {
  @Test("are passed on in two batches: who is where, and what each gateway is told")
  func batches() async throws {
    let stand = try await TestStand.shared()
    let bob = try await stand.online("turn.bob")
    let (client, keys) = (stand.redis.client, stand.keys)
    let (unanswered, writer) = try await client.eventLoop.submit {
      let counting = CountingClient(client)
      let writer = SignalWriter(
        client: counting, keys: keys, metrics: GatewayMetrics(factory: NOOPMetricsHandler.instance))
      for number in 0..<300 {
        writer.pass(
          MessageID("s\(number)")!, from: UserName("turn.alice")!,
          to: UserName(number % 3 == 0 ? "turn.nobody" : "turn.bob")!, at: .max,
          body: UnsafeRawBufferPointer(start: nil, count: 0))
      }
      return (
        writer.unanswered,
        NIOLoopBound((writer: writer, counting: counting), eventLoop: client.eventLoop)
      )
    }.get()
    #expect(unanswered == 300)
    for number in 0..<300 where number % 3 != 0 {
      #expect(try await bob.expectSignal().name == "s\(number)")
    }
    let after = try await client.eventLoop.submit {
      (writer.value.writer.unanswered, writer.value.counting.batches)
    }.get()
    #expect(after == (0, 2))
  }
}
