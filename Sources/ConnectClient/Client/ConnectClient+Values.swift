import ConnectProtocol

// Sends of values that are not JSON yet.

extension ConnectClient {
  /// As `send` of a ``MessageBody``, of a value that is written as JSON: an `Encodable` of the app, or a
  /// `String`, which becomes a JSON string.
  @discardableResult
  public func send(
    to: UserName, id: MessageID = .unique(), body: some Encodable, receipt: Bool = false,
    copy: Bool = false, quiet: Bool = false, retry: ClientFrame.Retry = .no
  ) async throws(ConnectSendError) -> Offset {
    try await self.send(
      to: to, id: id, body: MessageBody(encoding: body), receipt: receipt, copy: copy,
      quiet: quiet, retry: retry)
  }

  /// As `enqueue` of a ``MessageBody``, of a value that is written as JSON.
  @discardableResult
  public func enqueue(
    to: UserName, id: MessageID = .unique(), body: some Encodable, receipt: Bool = false,
    copy: Bool = false, quiet: Bool = false, retry: ClientFrame.Retry = .no
  ) async throws(ConnectSendError) -> MessageID {
    try await self.enqueue(
      to: to, id: id, body: MessageBody(encoding: body), receipt: receipt, copy: copy,
      quiet: quiet, retry: retry)
  }

  /// Bytes would be written as an array of numbers, or as Base64, which is hardly meant.
  @available(*, unavailable, message: "bytes that are JSON already: MessageBody(json: bytes)")
  @discardableResult
  public func send(
    to: UserName, id: MessageID = .unique(), body: some Encodable & Sequence<UInt8>,
    receipt: Bool = false, copy: Bool = false, quiet: Bool = false,
    retry: ClientFrame.Retry = .no
  ) async throws(ConnectSendError) -> Offset {
    throw .malformedBody("bytes that are JSON already: MessageBody(json: bytes)")
  }

  /// As for `send`.
  @available(*, unavailable, message: "bytes that are JSON already: MessageBody(json: bytes)")
  @discardableResult
  public func enqueue(
    to: UserName, id: MessageID = .unique(), body: some Encodable & Sequence<UInt8>,
    receipt: Bool = false, copy: Bool = false, quiet: Bool = false,
    retry: ClientFrame.Retry = .no
  ) async throws(ConnectSendError) -> MessageID {
    throw .malformedBody("bytes that are JSON already: MessageBody(json: bytes)")
  }
}
