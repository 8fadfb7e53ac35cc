/// The body of a message: any JSON value, which passes through byte for byte.
public enum JSONBody {
  /// Makes sure that `bytes` are one JSON value that `ClientFrame.scan` takes as a body.
  ///
  /// For whoever has a body before it has a frame: a client about to send, or an HTTP request.
  ///
  /// - Throws: a `FrameError` that is `malformed` or `notUTF8`.
  public static func check(_ bytes: UnsafeRawBufferPointer) throws(FrameError) {
    var scanner = JSONScanner(bytes)
    do throws(JSONScanner.Failure) {
      _ = try scanner.value()
      try scanner.finish()
    } catch {
      throw FrameError(error, in: bytes)
    }
  }
}
