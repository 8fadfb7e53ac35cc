import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Testing

@testable import Redis

#if canImport(Glibc)
  import Glibc
#endif

@Suite("A task that prefers its actor's event loop")
struct EventLoopExecutorTests {
  private actor Worker {
    nonisolated let executor: EventLoopExecutor
    private let eventLoop: any EventLoop

    nonisolated var unownedExecutor: UnownedSerialExecutor {
      self.executor.asUnownedSerialExecutor()
    }

    init(_ eventLoop: any EventLoop) {
      self.eventLoop = eventLoop
      self.executor = EventLoopExecutor(eventLoop)
    }

    /// How often the loop resumed this task before it took up what it was given next.
    func resumedFirst(of rounds: Int) async -> Int {
      var count = 0
      for _ in 0..<rounds {
        let isMarked = NIOLockedValueBox(false)
        await withCheckedContinuation { continuation in
          self.eventLoop.execute {
            continuation.resume()
            self.eventLoop.execute { isMarked.withLockedValue { $0 = true } }
          }
        }
        self.eventLoop.preconditionInEventLoop()
        if !isMarked.withLockedValue(\.self) { count += 1 }
      }
      return count
    }

    #if canImport(Glibc)
      /// How often the loop's thread waits for another while this task is resumed.
      func waits(rounds: Int) async -> Int {
        let before = Self.waits
        _ = await self.resumedFirst(of: rounds)
        return Self.waits - before
      }

      private static var waits: Int {
        var usage = rusage()
        getrusage(1, &usage)  // RUSAGE_THREAD, a macro that Swift cannot see
        return usage.ru_nvcsw
      }
    #endif
  }

  private func withWorker(
    _ body: @escaping @Sendable (isolated Worker) async -> Void
  ) async {
    let worker = Worker(MultiThreadedEventLoopGroup.singleton.next())
    await withDiscardingTaskGroup { tasks in
      tasks.addTask(executorPreference: worker.executor) { await body(worker) }
    }
  }

  @Test("is resumed by the loop itself")
  func resumed() async {
    await self.withWorker { worker in
      #expect(worker.executor.isPreferred)
      #expect(await worker.resumedFirst(of: 1_000) == 1_000)
    }
  }

  #if canImport(Glibc)
    @Test("makes no thread wait for another")
    func waits() async {
      await self.withWorker { worker in
        // Other work on the loop may let it wait a few times; the global executor would each time.
        #expect(await worker.waits(rounds: 1_000) < 500)
      }
    }
  #endif
}
