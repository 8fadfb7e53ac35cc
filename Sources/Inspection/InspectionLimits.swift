import MessageBus

/// What an inspection reads at most.
package enum InspectionLimits {
  /// Streams, instances or devices that an inspection asks about with one pipeline.
  package static let keysPerBatch = 64

  /// Instances of a service that an inspection lists at most.
  package static let instances = 1_000

  /// Entries of a mailbox that an inspection counts at most, to say how far behind a device is.
  package static let entries = 1_024
}
