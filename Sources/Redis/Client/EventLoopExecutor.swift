import NIOCore

/// Keeps an actor and the tasks that work in it on one event loop.
///
/// An actor that only names the loop as its serial executor leaves it at each `await`: what resumes a
/// continuation there hands the task to the global executor, which wakes a thread, which wakes the loop
/// (Swift 6.3 on Linux: two calls of futex and two switches of threads). A task that prefers this
/// executor is resumed by the loop itself, and without another hop if the actor's executor is the same
/// object.
package final class EventLoopExecutor: SerialExecutor, TaskExecutor {
  private let eventLoop: any EventLoop

  package init(_ eventLoop: any EventLoop) { self.eventLoop = eventLoop }

  package func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    self.eventLoop.execute {
      job.runSynchronously(
        isolatedTo: self.asUnownedSerialExecutor(), taskExecutor: self.asUnownedTaskExecutor())
    }
  }

  package func checkIsolated() { self.eventLoop.preconditionInEventLoop() }

  /// Whether the current task prefers this executor.
  package var isPreferred: Bool {
    withUnsafeCurrentTask { $0?.unownedTaskExecutor == self.asUnownedTaskExecutor() }
  }
}
