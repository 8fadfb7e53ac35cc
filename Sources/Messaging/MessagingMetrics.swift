import ConnectProtocol
import Inspection
import MessageBus
import Metrics

/// Metrics of a messaging instance. Made once, shared by its workers.
struct MessagingMetrics: Sendable {
  private let factory: any MetricsFactory
  let deadLetters: Counter
  let leases: Meter
  let unowned: Meter
  private let stored: Counter
  private let busRepeats: Counter
  private let clientRepeats: Counter
  private let relocated: Counter
  private let lookups: Counter
  private let lookupBytes: Counter
  private let cutLookups: Counter
  let copies: Counter
  let copiesLost: Counter
  let positions: Counter
  private let failed: [FailureCode: Counter]

  init(factory: any MetricsFactory) {
    func counter(_ label: String, _ dimensions: [(String, String)] = []) -> Counter {
      Counter(label: label, dimensions: dimensions, factory: factory)
    }
    self.factory = factory
    self.deadLetters = counter("connect_dead_letters_total")
    self.leases = Meter(label: "connect_leases", dimensions: [], factory: factory)
    self.unowned = Meter(label: "connect_partitions_unowned", dimensions: [], factory: factory)
    self.stored = counter("connect_stored_total")
    self.busRepeats = counter("connect_repeats_total", [("kind", "bus")])
    self.clientRepeats = counter("connect_repeats_total", [("kind", "client")])
    self.relocated = counter("connect_relocated_total")
    self.lookups = counter("connect_retry_lookups_total")
    self.lookupBytes = counter("connect_retry_lookup_bytes_total")
    self.cutLookups = counter("connect_retry_lookups_cut_total")
    self.copies = counter("connect_copies_total")
    self.copiesLost = counter("connect_copies_lost_total")
    self.positions = counter("connect_positions_moved_total")
    self.failed = Dictionary(
      uniqueKeysWithValues: FailureCode.allCases.map { code in
        (code, counter("connect_failed_total", [("code", code.rawValue)]))
      })
  }

  func failed(_ code: FailureCode) { self.failed[code]?.increment() }

  func add(_ tally: MailboxWriter.Tally) {
    self.stored.increment(by: tally.stored)
    self.busRepeats.increment(by: tally.busRepeats)
    self.clientRepeats.increment(by: tally.clientRepeats)
    self.relocated.increment(by: tally.relocated)
    guard tally.lookups > 0 else { return }
    self.lookups.increment(by: tally.lookups)
    self.lookupBytes.increment(by: tally.lookupBytes)
    self.cutLookups.increment(by: tally.cutLookups)
  }

  /// The lag of one partition.
  struct Lag: Sendable {
    let entries: Meter
    let pending: Meter
    let oldestAge: Meter

    func set(_ lag: PartitionLag) {
      self.entries.set(lag.unread)
      self.pending.set(lag.pending)
      self.oldestAge.set(Double(lag.oldestAgeMilliseconds) / 1_000)
    }

    /// Call it when another instance, which reports from then on, has the partition.
    func destroy() {
      self.entries.destroy()
      self.pending.destroy()
      self.oldestAge.destroy()
    }
  }

  func lag(of partition: Partition) -> Lag {
    func meter(_ label: String) -> Meter {
      Meter(
        label: label, dimensions: [("partition", "\(partition.number)")], factory: self.factory)
    }
    return Lag(
      entries: meter("connect_lag_entries"), pending: meter("connect_pending_entries"),
      oldestAge: meter("connect_oldest_age_seconds"))
  }
}
