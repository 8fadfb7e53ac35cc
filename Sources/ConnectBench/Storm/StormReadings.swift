/// Readings before a storm and at its two ends.
struct StormReadings {
  /// From here on until ``before`` there was the same without a storm.
  let calm: StandReading
  /// When the connections were lost: without a process that ended then, whose time is not known any more.
  let before: StandReading
  let after: StandReading

  /// What one comeback cost, without what would have been done in that time anyway.
  ///
  /// - Returns: nil if there was none, or where the system does not tell.
  func cost(per count: Int) -> CPUCost? {
    let share =
      self.after.seconds(since: self.before) / self.before.seconds(since: self.calm)
    let usual = self.before.microseconds(since: self.calm)
    let used = self.after.microseconds(since: self.before)
    return CPUCost(
      Dictionary(
        uniqueKeysWithValues: used.map { role, microseconds in
          (role, microseconds - (usual[role] ?? 0) * share)
        }), per: Double(count))
  }
}
