import Synchronization

#if canImport(Darwin)
  import Darwin
#elseif canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The number of sockets that are open, and its limit.
package final class SocketBudget: Sendable {
  /// The budget that all ports of this process share that are open to more than a few.
  ///
  /// A process that has no descriptor left is not merely refused more of them. NIO's accept fails and
  /// is tried again at once, for ever; Redis cannot be reached again; and libdispatch, which drives
  /// Swift's tasks, ends the process with an illegal instruction when it cannot open `/proc/…/stat` to
  /// look after its threads (`_dispatch_workq_monitor_pools`, swift-corelibs-libdispatch's
  /// `workqueue.c`). So the last descriptors are never given to sockets.
  package static let process = SocketBudget(limit: forSockets(of: descriptorLimit))

  private let most: Atomic<Int>
  private let count = Atomic(0)

  package init(limit: Int) { self.most = Atomic(limit) }

  package var limit: Int { self.most.load(ordering: .relaxed) }

  package var open: Int { self.count.load(ordering: .relaxed) }

  /// Whether no more sockets should be accepted.
  var isUsedUp: Bool { self.open >= self.limit }

  /// Whether there is room for a while: an eighth.
  var isAtEase: Bool { self.open <= self.limit - self.limit / 8 }

  func take() { self.count.add(1, ordering: .relaxed) }

  func giveBack() { self.count.subtract(1, ordering: .relaxed) }

  /// The process ran out of descriptors in spite of the reserve: something else needs more of them, or
  /// the system's limit was lowered. From now on as many stay free beside what it has.
  func ranOut(reserve: Int = reserve(of: descriptorLimit)) {
    let fewer = max(ListeningLimits.fewestSockets, self.open - reserve)
    self.most.min(fewer, ordering: .relaxed)
  }

  /// The share of `limit` descriptors that accepted sockets may take.
  static func forSockets(of limit: Int) -> Int { limit - self.reserve(of: limit) }

  private static func reserve(of limit: Int) -> Int {
    let few = min(ListeningLimits.fewestReservedDescriptors, limit / 2)
    let share = limit / ListeningLimits.reservedShare
    return min(ListeningLimits.mostReservedDescriptors, max(few, share))
  }

  /// Descriptors that the system allows this process: `ulimit -n`.
  private static var descriptorLimit: Int {
    var limit = rlimit()
    #if canImport(Glibc)
      let code = getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    #else
      let code = getrlimit(RLIMIT_NOFILE, &limit)
    #endif
    return code == 0 ? Int(clamping: limit.rlim_cur) : Int.max
  }
}
