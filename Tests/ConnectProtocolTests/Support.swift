import ConnectProtocol
import NIOCore

/// Reads a client frame from text.
func clientFrame(_ text: String) throws(FrameError) -> ClientFrame {
  try clientFrame(Array(text.utf8))
}

/// Reads a client frame from bytes.
func clientFrame(_ bytes: [UInt8]) throws(FrameError) -> ClientFrame {
  try result(bytes) { payload throws(FrameError) in try ClientFrame.scan(payload) }
}

/// Reads a server frame from text.
func serverFrame(_ text: String) throws(FrameError) -> ServerFrame {
  try serverFrame(Array(text.utf8))
}

/// Reads a server frame from bytes.
func serverFrame(_ bytes: [UInt8]) throws(FrameError) -> ServerFrame {
  try result(bytes) { payload throws(FrameError) in try ServerFrame.scan(payload) }
}

/// The error of reading `bytes` as one JSON value, if there is one.
func bodyError(_ bytes: [UInt8]) -> FrameError? {
  do throws(FrameError) {
    try result(bytes) { body throws(FrameError) in try JSONBody.check(body) }
    return nil
  } catch {
    return error
  }
}

/// The error of reading `text` as one JSON value, if there is one.
func bodyError(_ text: String) -> FrameError? {
  bodyError(Array(text.utf8))
}

/// The error of reading `bytes` as a client frame, if there is one.
func clientFrameError(_ bytes: [UInt8]) -> FrameError? {
  do throws(FrameError) {
    _ = try clientFrame(bytes)
    return nil
  } catch {
    return error
  }
}

/// The error of reading `text` as a client frame, if there is one.
func clientFrameError(_ text: String) -> FrameError? {
  clientFrameError(Array(text.utf8))
}

/// The text that `write` writes; the count it returns is checked on the way.
func written(_ write: (inout ByteBuffer) -> Int) -> String {
  var buffer = ByteBuffer()
  let count = write(&buffer)
  precondition(count == buffer.readableBytes)
  return String(buffer: buffer)
}

/// Calls `body` with the bytes of `text`.
func withBytes<Result>(_ text: String, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
  Array(text.utf8).withUnsafeBytes(body)
}

/// The text at `range` in `frame`.
func slice(_ frame: String, _ range: Range<Int>) -> String {
  String(decoding: Array(frame.utf8)[range], as: UTF8.self)
}

/// Calls `scan` with exactly `bytes`: on the heap without slack, so that a sanitizer would see a
/// read beyond the end.
private func result<Value>(
  _ bytes: [UInt8], _ scan: (UnsafeRawBufferPointer) throws(FrameError) -> Value
) throws(FrameError) -> Value {
  let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
  defer { copy.deallocate() }
  copy.copyBytes(from: bytes)
  return try scan(UnsafeRawBufferPointer(copy))
}
