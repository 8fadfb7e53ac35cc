import Logging
import MessageBus
import NIOConcurrencyHelpers
import NIOCore
import NIOEmbedded
import Testing

@testable import Messaging

@Suite("Streams that did not exist")
struct CreatedStreamsTests {
  @Test("are told in one line for all that are found together, and in another for later ones")
  func gathered() throws {
    let loop = EmbeddedEventLoop()
    let lines = NIOLockedValueBox<[String]>([])
    let logger = Logger(label: "test") { _ in LineLog(lines: lines) }
    let created = CreatedStreams(on: loop, logger: logger)
    let partitions = PartitionMap(count: 16).all
    for partition in partitions.reversed() { created.add(partition) }
    #expect(lines.withLockedValue { $0 } == [])
    let gathering = TimeAmount.milliseconds(CreatedStreams.gatherMilliseconds)
    loop.advanceTime(by: gathering)
    #expect(lines.withLockedValue { $0 } == ["messaging.streams_created 0-15 16"])
    for number in [7, 3] { created.add(partitions[number]) }
    loop.advanceTime(by: gathering)
    #expect(lines.withLockedValue { $0.last } == "messaging.streams_created 3,7 2")
    loop.advanceTime(by: gathering)
    #expect(lines.withLockedValue { $0.count } == 2)
  }

  @Test(
    "have their partitions shown as ranges",
    arguments: [([0], "0"), ([2, 0, 1], "0-2"), ([4, 1, 2, 9, 8], "1-2,4,8-9"), ([5, 5], "5")])
  func ranges(numbers: [Int], text: String) {
    #expect(CreatedStreams.ranges(numbers) == text)
  }
}

/// Keeps each event with its partitions and their count.
private struct LineLog: LogHandler {
  let lines: NIOLockedValueBox<[String]>
  var metadata: Logger.Metadata = [:]
  var logLevel = Logger.Level.info

  init(lines: NIOLockedValueBox<[String]>) { self.lines = lines }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { self.metadata[key] }
    set { self.metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    let values = ["partitions", "count"].compactMap { event.metadata?[$0].map { "\($0)" } }
    self.lines.withLockedValue {
      $0.append(([event.message.description] + values).joined(separator: " "))
    }
  }
}
