import ConnectProtocol
import NIOCore

// What frames say, with the bodies that stand in their payload.

extension ByteBuffer {
  /// The part of a frame's payload that a range of the frame names: a slice, which keeps all of it.
  fileprivate func body(_ range: Range<Int>) -> MessageBody {
    guard let body = self.getSlice(at: self.readerIndex + range.lowerBound, length: range.count)
    else { preconditionFailure("a frame's body lies within it") }
    return MessageBody(body)
  }

  /// As above, but a copy.
  fileprivate func copiedBody(_ range: Range<Int>) -> MessageBody {
    self.body(range).compact
  }
}

extension IncomingMessage {
  init(_ message: ServerFrame.Message, of payload: ByteBuffer) {
    self.init(
      offset: message.offset, from: message.from, id: message.id, at: message.at,
      body: payload.body(message.body), quiet: message.quiet)
  }
}

extension SentMessage {
  init(_ sent: ServerFrame.Sent, of payload: ByteBuffer) {
    self.init(
      offset: sent.offset, peerOffset: sent.peerOffset, to: sent.to, id: sent.id, at: sent.at,
      body: payload.body(sent.body), quiet: sent.quiet)
  }
}

// An app keeps some of an answer, so its bodies are copies.

extension MailboxEntry {
  init(_ entry: ServerFrame.Entry, of payload: ByteBuffer) {
    switch entry {
    case .message(let message):
      var incoming = IncomingMessage(message, of: payload)
      incoming.body = payload.copiedBody(message.body)
      self = .message(incoming)
    case .sent(let sent):
      var own = SentMessage(sent, of: payload)
      own.body = payload.copiedBody(sent.body)
      self = .sent(own)
    case .failed(let failed):
      self = .failed(failed)
    }
  }
}

extension ConversationPage {
  init(_ answer: ServerFrame.Conversations, of payload: ByteBuffer) {
    self.init(
      conversations: answer.items.map { item in
        ConversationSummary(
          peer: item.peer, last: item.last.map { MailboxEntry($0, of: payload) },
          unread: item.unread, unreadIsMore: item.unreadIsMore, delivered: item.delivered,
          read: item.read, mine: item.mine)
      },
      next: answer.next)
  }
}

extension HistoryPage {
  init(_ answer: ServerFrame.History, of payload: ByteBuffer) {
    self.init(
      entries: answer.entries.map { MailboxEntry($0, of: payload) }, next: answer.next,
      isTrimmed: answer.trimmed)
  }
}

extension IncomingSignal {
  init(_ signal: ServerFrame.Signal, of payload: ByteBuffer) {
    self.init(
      from: signal.from, name: signal.name, body: signal.body.map { payload.copiedBody($0) },
      at: signal.at)
  }
}
