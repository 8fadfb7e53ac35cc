import ConnectProtocol
import Logging
import MessageBus
import Redis

/// Tells senders what became of their messages, over the bus: copies, and that one could not be stored.
///
/// Before the entries are acknowledged: a crash in between tells it twice, never not at all.
struct SenderNotices {
  private let keys: Keys
  private let client: any RedisClient
  private let writer: any RedisClient
  private let durability: Durability
  private let metrics: MessagingMetrics
  private let logger: Logger

  /// - Parameter writer: for what replicas must confirm.
  init(
    keys: Keys, client: any RedisClient, writer: any RedisClient, durability: Durability,
    metrics: MessagingMetrics, logger: Logger
  ) {
    self.keys = keys
    self.client = client
    self.writer = writer
    self.durability = durability
    self.metrics = metrics
    self.logger = logger
  }

  /// Publishes copies, in the order of the originals.
  ///
  /// - Parameter mayBeRepeats: whether another owner may have done so meanwhile.
  func copy(
    _ originals: [MailboxWriter.Original], mayBeRepeats: Bool
  ) async throws(RedisError) {
    var order: [Partition] = []
    var copies: [Partition: [(MailboxWriter.Original, sender: UserName, id: MessageID)]] = [:]
    for original in originals {
      guard let sender = original.envelope.sender, let id = original.envelope.messageID else {
        continue
      }
      let partition = self.keys.partitions.partition(for: sender)
      if copies[partition] == nil { order.append(partition) }
      copies[partition, default: []].append((original, sender, id))
    }
    try await self.publish(
      order.map { partition in
        (
          partition,
          (copies[partition] ?? []).map { original, sender, id in
            {
              $0.add(
                copyOf: original, for: sender, id: id,
                isRepeat: original.mayBeCopied || mayBeRepeats, to: $1)
            }
          }
        )
      })
    self.metrics.copies.increment(by: originals.count)
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
    var entries: [AddEntry] = [
      { $0.add(failureOf: item, code, for: sender, id: id, to: $1) }
    ]
    if item.envelope.flags.contains(.copy), !item.envelope.isToOneself {
      let original = MailboxWriter.Original(
        envelope: item.envelope, peerOffset: item.offset, at: item.offset.milliseconds,
        mayBeCopied: true)
      entries.insert(
        { $0.add(copyOf: original, for: sender, id: id, isRepeat: true, to: $1) }, at: 0)
    }
    try await self.publish([(self.keys.partitions.partition(for: sender), entries)])
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

  private typealias AddEntry = (inout RedisBatch, RedisKey) -> Reply<Offset>

  /// Several entries of a partition go all or none: else the first could fail, and come behind the second.
  private func publish(
    _ shares: [(partition: Partition, entries: [AddEntry])]
  ) async throws(RedisError) {
    var batch = self.durability.batch()
    var single: [Reply<Offset>] = []
    var several: [TransactionReply<Offset>] = []
    for (partition, entries) in shares {
      let stream = self.keys.incoming(partition)
      if entries.count == 1 {
        single.append(entries[0](&batch, stream))
      } else {
        several.append(
          batch.transaction(on: stream, of: Offset.read) { batch in
            for entry in entries { _ = entry(&batch, stream) }
          })
      }
    }
    guard !batch.isEmpty else { return }
    let replies = await self.writer.execute(batch)
    for reply in single { try replies.checkConfirmed(reply) }
    for transaction in several {
      for outcome in try replies[transaction] {
        if case .failure(let error) = outcome { throw .server(error) }
      }
      try replies.checkConfirmed(transaction)
    }
  }
}

extension RedisBatch {
  fileprivate mutating func add(
    copyOf original: MailboxWriter.Original, for sender: UserName, id: MessageID,
    isRepeat: Bool, to stream: RedisKey
  ) -> Reply<Offset> {
    let envelope = original.envelope
    var flags = envelope.flags.intersection(.quiet)
    if isRepeat { flags.insert(.retry) }
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
