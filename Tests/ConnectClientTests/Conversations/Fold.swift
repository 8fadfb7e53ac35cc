import ConnectClient
import ConnectProtocol

/// The body of a message of this app. All of it is optional: what one version writes, another reads.
struct ChatBody: Codable {
  /// A message, by its sender and its id; a reply also says what it quotes.
  struct Reference: Codable {
    var from: String
    var id: String
    var excerpt: String?
  }
  struct Attachment: Codable, Hashable {
    var file: String
    var type: String?
    var bytes: Int?
    var name: String?
  }

  var text: String?
  var edit: String?
  var delete: Bool?
  var reaction: String?
  var about: Reference?
  var reply: Reference?
  var attachments: [Attachment]?
}

/// A row to draw.
struct Row: Hashable {
  struct Quote: Hashable {
    var text: String
    var isDeleted = false
    /// Whether only the sender of the reply says so.
    var isClaim = false
  }

  let entry: Conversation.Entry
  var text = ""
  var attachments: [ChatBody.Attachment] = []
  var quote: Quote?
  var isEdited = false
  var isDeleted = false
  var reactions: [String: String] = [:]
}

/// What other messages make of one.
private struct Change {
  var edit: String?
  var isDeleted = false
  var reactions: [String: String] = [:]
}

/// The rows to draw, oldest first.
func fold(_ entries: [Conversation.Entry]) -> [Row] {
  let read = entries.map { ($0, (try? $0.body.decode(ChatBody.self)) ?? ChatBody()) }
  var changes: [String: Change] = [:]
  var texts: [String: String] = [:]
  for (entry, body) in read {
    guard let about = body.about else {
      texts["\(entry.from) \(entry.id)"] = body.text ?? ""
      continue
    }
    guard entry.state != .failed else { continue }
    let sender = "\(entry.from)"
    var change = changes["\(about.from) \(about.id)"] ?? Change()
    // Only its author edits or deletes a message. The last edit counts; nothing undoes a deletion.
    if sender == about.from { change.edit = body.edit ?? change.edit }
    if sender == about.from, body.delete == true { change.isDeleted = true }
    // One for each user: the last, and none if that is empty.
    if let reaction = body.reaction { change.reactions[sender] = reaction.isEmpty ? nil : reaction }
    changes["\(about.from) \(about.id)"] = change
  }

  func quote(_ reply: ChatBody.Reference) -> Row.Quote {
    let key = "\(reply.from) \(reply.id)"
    if changes[key]?.isDeleted == true { return Row.Quote(text: "", isDeleted: true) }
    if let text = changes[key]?.edit ?? texts[key] { return Row.Quote(text: text) }
    return Row.Quote(text: reply.excerpt ?? "", isClaim: true)
  }

  return read.compactMap { entry, body in
    // A change, or something quiet of which this version knows nothing.
    let isEmpty = body.text == nil && body.attachments == nil
    guard body.about == nil, !(entry.isQuiet && isEmpty) else { return nil }
    let change = changes["\(entry.from) \(entry.id)"] ?? Change()
    var row = Row(entry: entry, isDeleted: change.isDeleted)
    guard !row.isDeleted else { return row }
    row.text = change.edit ?? body.text ?? ""
    row.attachments = body.attachments ?? []
    row.quote = body.reply.map(quote)
    row.isEdited = change.edit != nil
    row.reactions = change.reactions
    return row
  }
}
