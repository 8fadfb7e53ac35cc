import ArgumentParser
import MessageBus
import Settings

/// # ConnectCost
///
/// The executable `connect-cost`: each step of a message's path by itself, on one thread and without a
/// network, so that its instructions can be counted with valgrind. `infra/cost/check` does, and holds them
/// against thresholds.
///
/// Two runs that differ only in the number of operations differ by the instructions of these operations.
///
/// - `FrameInCost`, `EnvelopeCost`, `PublishCost`, `StoreCost`, `DeliverCost` and `FrameOutCost` are the steps.
/// - `CostRedis` makes the bytes that Redis would answer, `CostConnections` passes them on.
///
/// Not a command of `connect-bench`, whose main function is asynchronous: the main thread then waits in a call
/// of libdispatch in which valgrind 3.19 crashes.
@main
struct ConnectCost: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "connect-cost",
    abstract: "Runs one step of a message's path, for a count of its instructions.",
    discussion: """
      Everything happens in this process, on one thread and without a network: what Redis answers are bytes \
      made here. To count, run it under valgrind, as infra/cost/check does. Exits with 1 if not every \
      operation had its effect.
      """,
    version: ConnectVersion.text)

  @Option(help: "The step: \(CostStep.allCases.map(\.rawValue).joined(separator: ", ")).")
  var step: CostStep

  @Option(
    help: "How often, a multiple of --batch (default: \(CostLimits.defaultOperations)).",
    transform: ArgumentRules.wholeNumber(1...CostLimits.operations))
  var operations = CostLimits.defaultOperations

  @Option(
    help: """
      Messages that share a turn of the event loop, for publish, store and deliver (default: 1).
      """,
    transform: ArgumentRules.wholeNumber(1...CostLimits.batch))
  var batch = 1

  func validate() throws {
    guard self.operations.isMultiple(of: self.batch) else {
      throw ValidationError(
        "--operations: \(self.operations) is not a multiple of \(self.batch), which --batch says")
    }
  }

  func run() throws {
    do {
      try self.step.run(self.operations, batch: self.batch)
    } catch let failure as Failure {
      failure.show()
      throw ExitCode(failure.kind.rawValue)
    }
    print("\(self.step.rawValue): \(self.operations) operations in rounds of \(self.batch)")
  }
}
