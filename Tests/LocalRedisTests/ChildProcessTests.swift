import Foundation
import TestSupport
import Testing

@testable import LocalRedis

@Suite("A child process", .timeLimit(.minutes(20)))
struct ChildProcessTests {
  @Test("reports how it ended")
  func exitStatus() async throws {
    #expect(try await shell("exit 7").status == .exited(7))
    #expect(try await shell("kill -TERM $$").status == .signalled(SIGTERM))
    #expect(try await shell("kill -PIPE $$").status == .signalled(SIGPIPE))
  }

  @Test("delivers whole lines, and the last one without its line feed")
  func lines() async throws {
    let script = "printf 'one\\ntw'; sleep 0.05; printf 'o\\n\\nthr'; printf 'ee'"
    #expect(try await shell(script).lines == ["one", "two", "", "three"])
  }

  @Test("has delivered all of its output when the wait for it is over")
  func outputIsComplete() async throws {
    let lines = try await shell("i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done").lines
    #expect(lines == (0..<20_000).map(String.init))
  }

  @Test("appends its output to a file")
  func outputToFile() async throws {
    try await withTemporaryDirectory { directory in
      let path = directory + "/log"
      for word in ["one", "two"] {
        let child = try ChildProcess(
          executable: "/bin/sh", arguments: ["-c", "echo \(word); echo error >&2"],
          standardOutput: .file(path: path), standardError: .file(path: path))
        #expect(await child.waitForExit() == .exited(0))
      }
      #expect(try String(contentsOfFile: path, encoding: .utf8) == "one\nerror\ntwo\nerror\n")
    }
  }

  @Test("reads what is written to it until its input is closed")
  func input() async throws {
    let lines = Lines()
    let child = try ChildProcess(
      executable: "cat", arguments: [], standardOutput: .lines(lines.append),
      standardError: .inherit, standardInput: .pipe)
    let input = try #require(child.input)
    try input.write("one\n")
    #expect(try await eventually { lines.all == ["one"] })
    try input.write("two")
    input.close()
    #expect(await child.waitForExit() == .exited(0))
    #expect(lines.all == ["one", "two"])
    #expect(throws: ChildProcessError.self) { try input.write("three") }
  }

  @Test("that no longer reads makes writing fail, without a SIGPIPE")
  func inputOfDeadChild() async throws {
    let child = try ChildProcess(
      executable: "true", arguments: [], standardOutput: .discard, standardError: .discard,
      standardInput: .pipe)
    #expect(await child.waitForExit() == .exited(0))
    // A process that another test is starting may have all our descriptors for a moment.
    let isRefused = try await eventually { (try? child.input?.write("anyone?")) == nil }
    #expect(isRefused)
  }

  @Test("gets our environment and what is added to it, and its directory")
  func surroundings() async throws {
    try await withTemporaryDirectory { directory in
      let lines = try await shell(
        "echo $GREETING; echo $PATH; /bin/pwd -P", environment: ["GREETING": "hello"],
        workingDirectory: directory
      ).lines
      let path = ProcessInfo.processInfo.environment["PATH"]
      let real = try #require(realpath(directory, nil))
      defer { free(real) }
      #expect(lines == ["hello", path, String(cString: real)])
    }
  }

  @Test("inherits no descriptor of ours, not even one without the close-on-exec flag")
  func descriptors() async throws {
    let leaky = open("/dev/null", O_RDONLY)
    defer { close(leaky) }
    let high = fcntl(leaky, F_DUPFD, 50)
    defer { close(high) }
    let open = try await shell(
      "for fd in 3 4 5 6 7 8 9 \(high); do [ -e /dev/fd/$fd ] && echo $fd; done")
    #expect(open.lines == [])
  }

  @Test("is outside our process group, so that Ctrl-C reaches us alone")
  func processGroup() async throws {
    let child = try sleeper()
    #expect(getpgid(child.processIdentifier) != getpgrp())
    #expect(getpgid(child.processIdentifier) != child.processIdentifier, "its watchdog leads it")
    await child.terminate(grace: .seconds(5))
  }

  @Test("starts with the default dispositions of signals")
  func signalDispositions() async throws {
    let previous = signal(SIGUSR1, SIG_IGN)
    defer { signal(SIGUSR1, previous) }
    #expect(try await shell("kill -USR1 $$; echo ignored").status == .signalled(SIGUSR1))
  }

  @Test("is asked to end first, and killed after the grace")
  func termination() async throws {
    let polite = try sleeper()
    #expect(await polite.terminate(grace: .seconds(30)) == .signalled(SIGTERM))

    let lines = Lines()
    let stubborn = try ChildProcess(
      executable: "/bin/sh",
      arguments: ["-c", "trap '' TERM; echo ready; while :; do sleep 1; done"],
      standardOutput: .lines(lines.append), standardError: .inherit)
    #expect(try await eventually { lines.all == ["ready"] })
    #expect(await stubborn.terminate(grace: .milliseconds(50)) == .signalled(SIGKILL))
  }

  @Test("ends even if it was stopped")
  func terminationOfStoppedProcess() async throws {
    let child = try sleeper()
    child.signal(SIGSTOP)
    #expect(await child.terminate(grace: .seconds(30)) == .signalled(SIGTERM))
  }

  @Test("takes along what it has started and left behind")
  func grandchildren() async throws {
    let (status, lines) = try await shell("sleep 60 & echo $!")
    #expect(status == .exited(0))
    let grandchild = try #require(lines.first.flatMap { pid_t($0) })
    #expect(try await eventually { !isRunning(grandchild) })
  }

  @Test("can be awaited by many, cancelled or not")
  func manyWaiters() async throws {
    let child = try sleeper()
    await withTaskGroup(of: ExitStatus.self) { group in
      for _ in 0..<10 { group.addTask { await child.waitForExit() } }
      group.cancelAll()
      child.signal(SIGKILL)
      for await status in group { #expect(status == .signalled(SIGKILL)) }
    }
    #expect(await child.waitForExit() == .signalled(SIGKILL))
    #expect(!child.isRunning)
  }

  @Test("gets no signal once it has been reaped: another process may have its identifier")
  func signalAfterExit() async throws {
    let child = try sleeper()
    #expect(child.isRunning)
    #expect(child.signal(SIGKILL))
    _ = await child.waitForExit()
    #expect(!child.signal(SIGKILL))
    #expect(!child.signal(0))
  }

  @Test("leaves no zombie and no watchdog")
  func leftovers() async throws {
    func once() async throws {
      let child = try ChildProcess(
        executable: "cat", arguments: [], standardOutput: .lines { _ in },
        standardError: .lines { _ in }, standardInput: .pipe)
      let group = getpgid(child.processIdentifier)
      child.input?.close()
      _ = await child.waitForExit()
      #expect(kill(child.processIdentifier, 0) != 0)
      #expect(kill(-group, 0) != 0)
    }
    for _ in 0..<10 { try await once() }
  }

  @Test("leaves no descriptor")
  func descriptorLeftovers() async throws {
    // In a process of its own: other tests of this one open and close descriptors meanwhile.
    let lines = Lines()
    let parent = try ChildProcess(
      executable: productsDirectory.appendingPathComponent("LocalRedisParent").path,
      arguments: ["--leftovers"], standardOutput: .lines(lines.append), standardError: .inherit)
    #expect(await parent.waitForExit() == .exited(0))
    #expect(try await eventually { !lines.all.isEmpty })
    let counts = try #require(lines.all.first).split(separator: " ").compactMap { Int($0) }
    try #require(counts.count == 2)
    // Fifty children ran in between; one or two descriptors may just be closing.
    #expect(counts[1] <= counts[0] + 5)
  }

  @Test("that does not exist is a clear error")
  func missingExecutable() async throws {
    #expect {
      try ChildProcess(
        executable: "no-such-command", arguments: [], standardOutput: .discard,
        standardError: .discard)
    } throws: { error in
      "\(error)" == "no-such-command was not found in PATH: install it, or give its path"
    }
    #expect {
      try ChildProcess(
        executable: "/dev/null", arguments: [], standardOutput: .discard, standardError: .discard)
    } throws: { error in
      "\(error)" == "there is no executable at /dev/null"
    }
  }

  private func sleeper() throws -> ChildProcess {
    try ChildProcess(
      executable: "sleep", arguments: ["60"], standardOutput: .discard, standardError: .discard)
  }
}
