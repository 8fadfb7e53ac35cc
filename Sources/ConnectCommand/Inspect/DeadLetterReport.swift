import ConnectProtocol
import Inspection
import MessageBus
import Redis

/// A dead letter for display.
struct DeadLetterReport: Encodable {
  /// What a copy says of its message.
  struct Original: Encodable {
    /// Its place in the recipient's mailbox.
    let peerOffset: Offset
    /// When it was sent, in milliseconds since 1970.
    let at: UInt64
  }

  /// How far the sender of a position has the messages of its recipient; nil for nothing.
  struct Position: Encodable {
    let delivered: Offset?
    let read: Offset?
  }

  /// The envelope of a message, of its copy or failure, or of a position.
  struct Message: Encodable {
    let kind: String
    let flags: [String]
    let from: String
    let to: String
    let id: String
    /// When a message was first sent, in milliseconds since 1970, if it says so.
    let firstSent: UInt64?
    /// Of a copy only.
    let original: Original?
    /// Of a position only.
    let position: Position?
    let body: Content

    init(_ envelope: Envelope) {
      self.kind = "\(envelope.kind)"
      let names: [(Envelope.Flags, String)] = [
        (.receipt, "receipt"), (.copy, "copy"), (.retry, "retry"), (.relocated, "relocated"),
        (.quiet, "quiet"), (.dated, "dated"), (.unstored, "unstored"),
      ]
      self.flags = names.filter { envelope.flags.contains($0.0) }.map(\.1)
      self.firstSent = envelope.firstSent
      self.original = envelope.original.map { Original(peerOffset: $0.peerOffset, at: $0.at) }
      self.position = envelope.position.map {
        Position(delivered: $0.delivered.unlessZero, read: $0.read.unlessZero)
      }
      (self.from, self.to, self.id, self.body) = envelope.bytes.withUnsafeBytes { raw in
        func text(_ part: UnsafeRawBufferPointer) -> String {
          String(decoding: part, as: UTF8.self)
        }
        return (
          text(envelope.from(in: raw)), text(envelope.to(in: raw)), text(envelope.id(in: raw)),
          Content(envelope.body(in: raw))
        )
      }
    }
  }

  /// Bytes: text if they are UTF-8, else hexadecimal.
  struct Content: Encodable {
    let text: String?
    let hexadecimal: String?

    init(_ raw: UnsafeRawBufferPointer) {
      self.text = String(validating: raw, as: UTF8.self)
      self.hexadecimal =
        self.text == nil
        ? raw.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() : nil
    }

    var line: String { self.text.map(ChatBody.visible) ?? "0x\(self.hexadecimal ?? "")" }
  }

  let offset: Offset
  let ageMilliseconds: Int
  let reason: String
  let origin: String
  let attempts: Int?
  let message: Message?
  /// A payload that should be a message, but that this release cannot read.
  let unreadable: Content?
  /// The fields of an entry in another form.
  let fields: [String: Content]?

  init(_ letter: DeadLetter, at now: UInt64) {
    self.offset = letter.offset
    self.ageMilliseconds =
      now > letter.offset.milliseconds ? Int(clamping: now - letter.offset.milliseconds) : 0
    self.reason = letter.reason
    self.origin = letter.origin
    self.attempts = letter.attempts
    self.message = letter.envelope.map(Message.init)
    self.unreadable =
      self.message == nil ? letter.payload?.withUnsafeBytes { Content($0) } : nil
    self.fields =
      letter.fields.isEmpty
      ? nil
      : Dictionary(
        letter.fields.map { ($0.name, $0.value.withUnsafeBytes { Content($0) }) },
        uniquingKeysWith: { _, last in last })
  }

  /// Everything, one line per part.
  var text: String {
    var lines = [
      ("offset", "\(self.offset), \(Quantity.span(milliseconds: self.ageMilliseconds)) ago"),
      ("reason", self.reason), ("origin", self.origin),
      ("attempts", self.attempts.map { "\($0)" } ?? Quantity.none),
    ]
    if let message = self.message {
      lines += [
        ("kind", message.kind), ("flags", message.flags.joined(separator: " ")),
        ("from", message.from), ("to", message.to), ("id", message.id),
        ("first sent", message.firstSent.map { "\($0)" } ?? ""),
        ("peer offset", message.original.map { "\($0.peerOffset)" } ?? ""),
        ("at", message.original.map { "\($0.at)" } ?? ""),
        ("delivered", message.position?.delivered.map { "\($0)" } ?? ""),
        ("read", message.position?.read.map { "\($0)" } ?? ""),
        ("body", message.body.line),
      ]
    }
    if let unreadable = self.unreadable { lines.append(("unreadable", unreadable.line)) }
    for (name, value) in (self.fields ?? [:]).sorted(by: { $0.key < $1.key }) {
      lines.append(("field \(ChatBody.visible(name))", value.line))
    }
    let width = lines.map(\.0.count).max() ?? 0
    return lines.filter { !$0.1.isEmpty }.map { name, value in
      name + String(repeating: " ", count: width - name.count + 2) + ChatBody.visible(value) + "\n"
    }.joined()
  }
}

/// The newest dead letters.
struct DeadLettersReport: Encodable {
  let deadLetters: [DeadLetterReport]
  /// Number of all dead letters.
  let total: Int

  func text(width: Int?) -> String {
    guard !self.deadLetters.isEmpty else { return "no dead letters\n" }
    var table = TextTable([
      ("OFFSET", .left), ("AGE", .right), ("ATTEMPTS", .right), ("FROM", .left), ("TO", .left),
      ("ORIGIN", .left), ("REASON", .left),
    ])
    for letter in self.deadLetters {
      table.add(
        "\(letter.offset)", Quantity.span(milliseconds: letter.ageMilliseconds),
        letter.attempts.map { "\($0)" } ?? Quantity.none, letter.message?.from ?? Quantity.none,
        letter.message?.to ?? Quantity.none, letter.origin, letter.reason)
    }
    let rest = self.total - self.deadLetters.count
    return table.text(width: width) + (rest > 0 ? "and \(rest) older; see --limit\n" : "")
  }
}

struct RequeueReport: Encodable {
  struct Requeued: Encodable {
    let deadLetter: Offset
    /// The new offset.
    let offset: Offset
    let stream: String
  }

  struct Kept: Encodable {
    let deadLetter: Offset
    let why: String
  }

  var requeued: [Requeued] = []
  var kept: [Kept] = []

  mutating func add(_ result: RequeueResult, _ letter: DeadLetter) {
    switch result {
    case .requeued(let offset, let stream):
      self.requeued.append(
        Requeued(deadLetter: letter.offset, offset: offset, stream: stream))
    case .requeuedAndKept(let offset, let stream, let error):
      self.requeued.append(
        Requeued(deadLetter: letter.offset, offset: offset, stream: stream))
      self.kept.append(
        Kept(
          deadLetter: letter.offset,
          why: "it could not be deleted, and may be requeued again without harm: \(error)"))
    case .unreadable:
      self.kept.append(
        Kept(deadLetter: letter.offset, why: "it has no envelope that this release can read"))
    }
  }

  var text: String {
    var text = ""
    for letter in self.requeued {
      text += "\(letter.deadLetter): requeued as \(letter.offset) on \(letter.stream)\n"
    }
    for letter in self.kept { text += "\(letter.deadLetter): kept: \(letter.why)\n" }
    return text + "requeued \(self.requeued.count), kept \(self.kept.count)\n"
  }
}
