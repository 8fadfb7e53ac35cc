import ConnectProtocol
import ConnectTestStand
import MessageBus
import NIOCore
import Redis
import Testing

@testable import Gateway

@Suite("What users have read")
struct ReadWriterTests {
  /// Has what ten users have read stored in one turn of the loop, and then again.
  ///
  /// - Returns: how many batches Redis was given after each.
  private static func storeTwice(with client: any RedisClient, keys: Keys) -> EventLoopFuture<[Int]>
  {
    let counting = CountingClient(client)
    let id = InstanceID("g")!
    let writer = ReadWriter(
      client: counting, hints: counting,
      configuration: GatewayConfiguration(host: "", port: 0, id: id, keys: keys))
    let session = Session(device: "phone", gateway: id, connection: "1")
    func store(_ offset: Offset) {
      for number in 0..<10 {
        writer.store(
          offset, of: UserName("alice")!, by: UserName("turn.bob\(number)")!, on: session
        ) { result in
          #expect((try? result.get())?.row?.mine == offset)
        }
      }
    }
    let promise = client.eventLoop.makePromise(of: [Int].self)
    store(Offset("5-0")!)
    writer.whenIdle {
      let batches = counting.batches
      store(Offset("6-0")!)
      writer.whenIdle { promise.succeed([batches, counting.batches]) }
    }
    return promise.futureResult
  }

  @Test("is stored in one batch for all of a turn")
  func batches() async throws {
    let stand = try await TestStand.shared()
    let (client, keys) = (stand.redis.client, stand.keys)
    let batches = try await client.eventLoop.flatSubmit {
      Self.storeTwice(with: client, keys: keys)
    }.get()
    // Perhaps a second one, with the script.
    #expect(batches[0] <= 2)
    #expect(batches[1] == batches[0] + 1)
  }
}
