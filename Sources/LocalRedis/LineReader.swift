import Dispatch
import Foundation
import Synchronization

/// Delivers the lines of a pipe, on one serial queue.
final class LineReader: Sendable {
  private let queue: DispatchQueue
  private let deliver: @Sendable (String) -> Void
  private let state: Mutex<State>

  private struct State: ~Copyable {
    /// Nil at the end of the file.
    var descriptor: FileDescriptor?
    var lines = LineAssembler()
    /// The end was read. The thread that waits closes the descriptor then, and nobody else: its number
    /// may be used for something else afterwards.
    var isEnded = false
  }

  init(
    _ descriptor: consuming FileDescriptor, queue: DispatchQueue,
    deliver: @escaping @Sendable (String) -> Void
  ) {
    descriptor.makeNonBlocking()
    self.queue = queue
    self.deliver = deliver
    state = Mutex(State(descriptor: descriptor))
  }

  /// Starts reading, and keeps this object until the end of the file.
  func resume() {
    guard let descriptor = state.withLock({ $0.descriptor?.rawValue }) else { return }
    Thread.detachNewThread {
      while !self.state.withLock({ $0.isEnded }) {
        var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        _ = poll(&waiting, 1, -1)
        self.queue.sync { self.drain() }
      }
      self.state.withLock { $0.descriptor = nil }
    }
  }

  /// Delivers what can be read without waiting. Call it only on the queue.
  func drain() {
    while true {
      let lines: [String]? = state.withLock { state in
        guard let descriptor = state.descriptor?.rawValue, !state.isEnded else { return nil }
        switch read(from: descriptor, into: &state.lines) {
        case .read(let lines): return lines
        case .wouldBlock: return nil
        case .ended:
          state.isEnded = true
          return state.lines.finish()
        }
      }
      guard let lines else { return }
      for line in lines { deliver(line) }
    }
  }

  private enum Outcome {
    case read([String])
    case wouldBlock
    case ended
  }

  private func read(from descriptor: Int32, into lines: inout LineAssembler) -> Outcome {
    withUnsafeTemporaryAllocation(byteCount: 16 * 1024, alignment: 1) { buffer in
      while true {
        let count = Foundation.read(descriptor, buffer.baseAddress, buffer.count)
        if count > 0 {
          return .read(lines.append(UnsafeRawBufferPointer(rebasing: buffer[..<count])))
        }
        if count == 0 { return .ended }
        if errno == EINTR { continue }
        return errno == EAGAIN ? .wouldBlock : .ended
      }
    }
  }
}

/// Assembles lines from the pieces in which they are read.
struct LineAssembler {
  private var partial: [UInt8] = []
  private let limitBytes: Int

  init(limitBytes: Int = LocalRedisLimits.lineBytes) {
    self.limitBytes = limitBytes
  }

  /// Returns the lines that some bytes complete, without their line feeds.
  mutating func append(_ bytes: some Sequence<UInt8>) -> [String] {
    var lines: [String] = []
    for byte in bytes {
      if byte == UInt8(ascii: "\n") {
        lines.append(take())
      } else {
        if partial.count == limitBytes { lines.append(take()) }
        partial.append(byte)
      }
    }
    return lines
  }

  /// Returns the last line, if it has no line feed.
  mutating func finish() -> [String] {
    partial.isEmpty ? [] : [take()]
  }

  private mutating func take() -> String {
    defer { partial.removeAll(keepingCapacity: true) }
    return String(decoding: partial, as: UTF8.self)
  }
}
