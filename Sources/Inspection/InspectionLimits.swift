import MessageBus

/// The most that an inspection reads.
package enum InspectionLimits {
  /// The most streams, instances or devices that one pipeline asks about.
  package static let keysPerBatch = 64

  /// The most instances of a service that an inspection lists.
  package static let instances = 1_000

  /// The most mailbox entries that are counted, to tell how far behind a device is.
  package static let entries = 1_024

  /// The most entries of a partition that are counted, to tell how many are read and not finished.
  package static let pendingCounted = 16
}
