import MessageBus
import NIOCore
import NIOEmbedded
import TestSupport
import Testing

@testable import Messaging

@Suite("Streams that did not exist")
struct CreatedStreamsTests {
  @Test("are told in one line for all that are found together, and in another for later ones")
  func gathered() throws {
    let loop = EmbeddedEventLoop()
    let log = EventLog("partitions", "count")
    let created = CreatedStreams(on: loop, logger: log.logger)
    let partitions = PartitionMap(count: 16).all
    for partition in partitions.reversed() { created.add(partition) }
    #expect(log.events == [])
    let gathering = TimeAmount.milliseconds(CreatedStreams.gatherMilliseconds)
    loop.advanceTime(by: gathering)
    #expect(log.events == ["messaging.streams_created 0-15 16"])
    for number in [7, 3] { created.add(partitions[number]) }
    loop.advanceTime(by: gathering)
    #expect(log.events.last == "messaging.streams_created 3,7 2")
    loop.advanceTime(by: gathering)
    #expect(log.events.count == 2)
  }

  @Test(
    "have their partitions shown as ranges",
    arguments: [([0], "0"), ([2, 0, 1], "0-2"), ([4, 1, 2, 9, 8], "1-2,4,8-9"), ([5, 5], "5")])
  func ranges(numbers: [Int], text: String) {
    #expect(CreatedStreams.ranges(numbers) == text)
  }
}
