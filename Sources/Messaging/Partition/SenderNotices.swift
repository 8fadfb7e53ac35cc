import ConnectProtocol
import Logging
import MessageBus
import Redis

/// Tells senders what became of their messages, over the bus: copies, and that one could not be stored.
///
/// Before the entries are acknowledged, so at least once: a crash in between tells it again.
final class SenderNotices {
  private let keys: Keys
  private let client: any RedisClient
  private let publisher: NoticePublisher
  private let metrics: MessagingMetrics
  private let logger: Logger

  /// - Parameter writer: for what replicas must confirm.
  init(
    keys: Keys, client: any RedisClient, writer: any RedisClient, durability: Durability,
    metrics: MessagingMetrics, logger: Logger
  ) {
    self.keys = keys
    self.client = client
    self.publisher = NoticePublisher(
      keys: keys, client: writer, durability: durability, metrics: metrics)
    self.metrics = metrics
    self.logger = logger
  }

  /// The present batch does not come again.
  func finished() { self.publisher.finished() }

  /// Publishes copies, in the order of the originals, but for those that an earlier attempt at this batch
  /// has published.
  ///
  /// - Parameter mayBeRepeats: whether another owner may have done so meanwhile.
  func copy(
    _ originals: [MailboxWriter.Original], mayBeRepeats: Bool
  ) async throws(RedisError) {
    var order: [Partition] = []
    var copies: [Partition: [Notice]] = [:]
    for original in originals {
      guard let sender = original.envelope.sender, let id = original.envelope.messageID else {
        continue
      }
      let partition = self.keys.partitions.partition(for: sender)
      if copies[partition] == nil { order.append(partition) }
      let isRepeat = original.mayBeCopied || mayBeRepeats
      copies[partition, default: []].append(
        Notice(
          key: .copy(original.offset),
          entries: [
            { $0.add(copyOf: original, for: sender, id: id, isRepeat ? .retry : [], to: $1) }
          ]))
    }
    try await self.publisher.publish(order.map { ($0, copies[$0] ?? []) })
  }

  /// Tells the sender of a message that it could not be stored, if the sender exists. A sender who wanted
  /// a copy gets that before.
  ///
  /// Only of messages: a copy that finds no place is counted, and costs its sender no message.
  func failed(_ item: MailboxWriter.Item, _ code: FailureCode) async throws(RedisError) {
    switch item.envelope.kind {
    case .message, .failed: break
    case .sent: return self.metrics.copiesLost.increment()
    case .position, .formerReceipt: return
    }
    if item.envelope.kind == .message, let sender = item.envelope.sender,
      let id = item.envelope.messageID, try await self.exists(sender)
    {
      try await self.publishFailed(id, of: item, to: sender, code)
    }
    // Behind what may fail and come again, so that it is counted once.
    self.metrics.failed(code)
    self.log(code, item)
  }

  /// Names the message as its sender's app does: logs name no users.
  private func log(_ code: FailureCode, _ item: MailboxWriter.Item) {
    var metadata: Logger.Metadata = [
      "offset": "\(item.offset)", "code": "\(code.rawValue)", "kind": "\(item.envelope.kind)",
    ]
    if let id = item.envelope.messageID { metadata["id"] = "\(id)" }
    self.logger.warning("messaging.failed", metadata: metadata)
  }

  private func publishFailed(
    _ id: MessageID, of item: MailboxWriter.Item, to sender: UserName, _ code: FailureCode
  ) async throws(RedisError) {
    var entries: [Notice.Entry] = [
      { $0.add(failureOf: item, code, for: sender, id: id, to: $1) }
    ]
    if item.envelope.flags.contains(.copy), !item.envelope.isToOneself {
      let original = MailboxWriter.Original(
        offset: item.offset, envelope: item.envelope, peerOffset: item.offset,
        at: item.offset.milliseconds, mayBeCopied: true)
      entries.insert(
        { $0.add(copyOf: original, for: sender, id: id, [.retry, .unstored], to: $1) }, at: 0)
    }
    try await self.publisher.publish([
      (
        self.keys.partitions.partition(for: sender),
        [Notice(key: .failure(item.offset), entries: entries)]
      )
    ])
  }

  /// A connected user has a session, and one who ever connected has a cursor.
  private func exists(_ user: UserName) async throws(RedisError) -> Bool {
    let session = self.keys.session(user)
    return try await self.client.value {
      $0.append(
        key: session, "EXISTS", "\(session)", "\(self.keys.cursor(user))", isRepeatable: true
      ).count()
    } > 0
  }
}

extension RedisBatch {
  fileprivate mutating func add(
    copyOf original: MailboxWriter.Original, for sender: UserName, id: MessageID,
    _ flags: Envelope.Flags, to stream: RedisKey
  ) -> Reply<Offset> {
    let envelope = original.envelope
    let flags = envelope.flags.intersection(.quiet).union(flags)
    return envelope.bytes.withUnsafeBytes { raw in
      // A message without a valid recipient is in no mailbox.
      let recipient = UserName(utf8: envelope.to(in: raw)) ?? sender
      return self.add(
        .sent(
          by: sender, to: recipient, id: id, flags: flags, peerOffset: original.peerOffset,
          at: original.at, body: envelope.body(in: raw)),
        to: stream)
    }
  }

  fileprivate mutating func add(
    failureOf item: MailboxWriter.Item, _ code: FailureCode, for sender: UserName, id: MessageID,
    to stream: RedisKey
  ) -> Reply<Offset> {
    var text = code.rawValue
    return text.withUTF8 { code in
      self.add(
        .failed(
          recipient: item.recipient, to: sender, id: id, code: UnsafeRawBufferPointer(code)),
        to: stream)
    }
  }
}
