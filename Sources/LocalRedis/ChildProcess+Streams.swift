import Dispatch
import Foundation
import Synchronization

extension ChildProcess {
  /// The write end of a child's standard input.
  package final class InputPipe: Sendable {
    private let descriptor: Mutex<FileDescriptor?>

    fileprivate init(_ descriptor: consuming FileDescriptor) {
      self.descriptor = Mutex(descriptor)
    }

    /// Writes all of a text. Waits while the child does not read and its buffer is full.
    ///
    /// Throws ``ChildProcessError`` when the child no longer reads, or the pipe was closed.
    package func write(_ text: String) throws(ChildProcessError) {
      try write(Array(text.utf8))
    }

    /// Writes all of some bytes. Waits while the child does not read and its buffer is full.
    ///
    /// Throws ``ChildProcessError`` when the child no longer reads, or the pipe was closed.
    package func write(_ bytes: [UInt8]) throws(ChildProcessError) {
      let code = descriptor.withLock { descriptor in
        switch descriptor {
        case .none: EPIPE
        case .some(let descriptor): descriptor.send(bytes)
        }
      }
      guard code == 0 else { throw .refused(operation: "writing to a child process", code: code) }
    }

    package func close() {
      descriptor.withLock { $0 = nil }
    }
  }
}

/// A child's standard input, and our end of it.
struct PreparedInput: ~Copyable {
  let stream: ChildStream
  let pipe: ChildProcess.InputPipe?

  init(_ input: ChildProcess.Input) throws(ChildProcessError) {
    switch input {
    case .null:
      stream = .null
      pipe = nil
    case .pipe:
      let pair = try DescriptorPair.sockets()
      stream = .descriptor(pair.first)
      pipe = ChildProcess.InputPipe(pair.second)
    }
  }
}

/// A child's standard output or error, and our end of it.
struct PreparedOutput: ~Copyable {
  let stream: ChildStream
  let reader: LineReader?

  init(_ output: ChildProcess.Output, queue: DispatchQueue) throws(ChildProcessError) {
    switch output {
    case .discard:
      stream = .null
      reader = nil
    case .inherit:
      stream = .inherit
      reader = nil
    case .file(let path):
      stream = .append(path: path)
      reader = nil
    case .lines(let deliver):
      let pipe = try DescriptorPair.pipe()
      stream = .descriptor(pipe.second)
      reader = LineReader(pipe.first, queue: queue, deliver: deliver)
    }
  }
}
