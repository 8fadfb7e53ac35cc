import MessageBus

/// Decides which leases of partitions an instance acquires, renews and releases.
///
/// Each member counts the members that are alive and knows its own place among them, so each comes
/// to the same shares without talking: the partitions divided by the members, and the first ones in
/// the order of their names have one of the rest each. A member with more than its share releases
/// the surplus, one with less acquires what is free. The shares add up, so nothing stays free, and
/// nothing moves while nobody comes or goes.
///
/// Pure: no clock and no Redis. The keeper carries out, and tells what came of it.
struct LeaseStateMachine {
  enum State: Hashable {
    /// Another instance holds it, or none. May become `.acquiring`.
    case notHeld
    /// Acquisition was requested. May become `.held` or `.notHeld`.
    case acquiring(LeaseToken)
    /// This instance holds it. May become `.releasing` or `.notHeld`.
    case held(LeaseToken)
    /// Work under way is being finished before the lease is released. May become `.notHeld`.
    case releasing(LeaseToken)
  }

  enum Action: Hashable {
    /// Request the lease, then call `answered`.
    case acquire(Partition, LeaseToken)
    /// Stop working, release the lease, then call `released`.
    case release(Partition, LeaseToken)
    /// Stop working: another instance has the lease.
    case stop(Partition)
  }

  private let instance: InstanceID
  private let partitions: [Partition]
  private var states: [State]

  init(instance: InstanceID, partitions: [Partition]) {
    self.instance = instance
    self.partitions = partitions
    self.states = Array(repeating: .notHeld, count: partitions.count)
  }

  /// Leases to renew. Without those being released: that might acquire one of them again.
  var held: [(Partition, LeaseToken)] {
    self.partitions.compactMap { partition in
      if case .held(let token) = self.states[partition.number] { (partition, token) } else { nil }
    }
  }

  /// Number of partitions that we hold or are acquiring.
  private var count: Int {
    self.states.count { state in
      switch state {
      case .acquiring, .held: true
      case .notHeld, .releasing: false
      }
    }
  }

  /// Our share among `members`, to which we always count ourselves.
  func share(of members: Set<InstanceID>) -> Int {
    let all = members.union([self.instance])
    let rank = all.count { $0.text < self.instance.text }
    let rest = self.partitions.count % all.count
    return self.partitions.count / all.count + (rank < rest ? 1 : 0)
  }

  /// Redis has told who is alive and who holds what.
  ///
  /// - Parameters:
  ///   - members: who is alive.
  ///   - holders: by partition; nil where nobody holds it.
  mutating func observed(
    members: Set<InstanceID>, holders: [LeaseToken?]
  ) -> [Action] {
    precondition(holders.count == self.partitions.count)
    self.wasBeaten = false
    var actions = self.stopWhatIsLost(holders)
    let share = self.share(of: members)
    if self.count > share {
      actions += self.release(self.count - share)
    } else {
      actions += self.acquire(share - self.count, among: holders)
    }
    return actions
  }

  private mutating func stopWhatIsLost(_ holders: [LeaseToken?]) -> [Action] {
    var actions: [Action] = []
    for (partition, holder) in zip(self.partitions, holders) {
      switch self.states[partition.number] {
      case .held(let token) where holder != nil && holder != token:
        self.states[partition.number] = .notHeld
        actions.append(.stop(partition))
      case .notHeld, .acquiring, .held, .releasing:
        break
      }
    }
    return actions
  }

  private mutating func release(_ surplus: Int) -> [Action] {
    var actions: [Action] = []
    for partition in self.partitions.reversed() where actions.count < surplus {
      guard case .held(let token) = self.states[partition.number] else { continue }
      self.states[partition.number] = .releasing(token)
      actions.append(.release(partition, token))
    }
    return actions
  }

  private mutating func acquire(_ missing: Int, among holders: [LeaseToken?]) -> [Action] {
    var actions: [Action] = []
    for (partition, holder) in zip(self.partitions, holders) where actions.count < missing {
      guard holder == nil, case .notHeld = self.states[partition.number] else { continue }
      let token = LeaseToken(instance: self.instance)
      self.states[partition.number] = .acquiring(token)
      actions.append(.acquire(partition, token))
    }
    return actions
  }

  /// Whether an `acquire` was not answered with yes: somebody else was quicker, most likely, and there
  /// may be another that is free.
  private(set) var wasBeaten = false

  /// The answer to an `acquire`.
  ///
  /// - Returns: the lease, if it is ours.
  mutating func answered(_ partition: Partition, isOurs: Bool) -> LeaseToken? {
    guard case .acquiring(let token) = self.states[partition.number] else { return nil }
    self.states[partition.number] = isOurs ? .held(token) : .notHeld
    if !isOurs { self.wasBeaten = true }
    return isOurs ? token : nil
  }

  /// A `release` was carried out, as far as possible.
  mutating func released(_ partition: Partition) {
    guard case .releasing = self.states[partition.number] else { return }
    self.states[partition.number] = .notHeld
  }

  /// The worker of the partition noticed that another instance has the lease.
  mutating func lost(_ partition: Partition, _ token: LeaseToken) {
    guard self.states[partition.number] == .held(token) else { return }
    self.states[partition.number] = .notHeld
  }

  /// Releases everything, because the instance stops.
  mutating func releaseAll() -> [Action] {
    var actions: [Action] = []
    for partition in self.partitions {
      switch self.states[partition.number] {
      case .held(let token):
        self.states[partition.number] = .releasing(token)
        actions.append(.release(partition, token))
      case .notHeld, .acquiring, .releasing: break
      }
    }
    return actions
  }
}
