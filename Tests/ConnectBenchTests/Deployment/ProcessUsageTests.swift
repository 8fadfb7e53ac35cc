#if os(Linux)
  import Foundation
  import Testing

  @testable import ConnectBench

  @Suite("The usage of a process")
  struct ProcessUsageTests {
    private static var ownMilliseconds: Double {
      var time = timespec()
      clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
      return Double(time.tv_sec) * 1e3 + Double(time.tv_nsec) / 1e6
    }

    @Test("counts CPU time below the hundredths of a second in which /proc counts")
    func fine() throws {
      let process = ProcessInfo.processInfo.processIdentifier
      for _ in 0..<5 {
        let start = Self.ownMilliseconds
        let before = try #require(ProcessUsage(of: process))
        while Self.ownMilliseconds < start + 2 {}
        let after = try #require(ProcessUsage(of: process))
        let end = Self.ownMilliseconds
        let used = (after.cpuMicroseconds - before.cpuMicroseconds) / 1_000
        // All of it lies between the two readings of the test's own clock.
        #expect(used > 0 && used <= end - start)
      }
    }

    @Test("is unknown of a process that is not there")
    func gone() {
      #expect(ProcessUsage(of: .max) == nil)
    }
  }
#endif
