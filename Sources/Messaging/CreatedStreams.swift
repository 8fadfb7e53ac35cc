import Logging
import MessageBus
import NIOConcurrencyHelpers
import NIOCore

/// Says in the log which partitions had no stream yet, once for all workers of an instance that find
/// that at about the same time: at the first start each of them does.
final class CreatedStreams: Sendable {
  /// The first one waits this long, in milliseconds, so that others are reported with it.
  static let gatherMilliseconds: Int64 = 500

  private let numbers = NIOLockedValueBox<[Int]>([])
  private let eventLoop: any EventLoop
  private let logger: Logger

  init(on eventLoop: any EventLoop, logger: Logger) {
    self.eventLoop = eventLoop
    self.logger = logger
  }

  /// A partition's stream did not exist, and was created. Callable from any thread.
  func add(_ partition: Partition) {
    let isFirst = self.numbers.withLockedValue { numbers in
      numbers.append(partition.number)
      return numbers.count == 1
    }
    guard isFirst else { return }
    self.eventLoop.scheduleTask(in: .milliseconds(Self.gatherMilliseconds)) { self.report() }
  }

  private func report() {
    let numbers = self.numbers.withLockedValue { numbers in
      defer { numbers = [] }
      return numbers
    }
    self.logger.notice(
      "messaging.streams_created",
      metadata: ["partitions": "\(Self.ranges(numbers))", "count": "\(numbers.count)"])
  }

  /// Numbers for a person, in ascending order: `0-4,7`.
  static func ranges(_ numbers: [Int]) -> String {
    var ranges: [ClosedRange<Int>] = []
    for number in numbers.sorted() {
      if let last = ranges.last, number <= last.upperBound + 1 {
        ranges[ranges.count - 1] = last.lowerBound...max(last.upperBound, number)
      } else {
        ranges.append(number...number)
      }
    }
    return ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
      .joined(separator: ",")
  }
}
