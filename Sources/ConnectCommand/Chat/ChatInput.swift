/// A line that was typed in a chat: a message, or a command to the chat itself.
enum ChatInput: Equatable {
  /// An empty line.
  case nothing
  case message(String)
  /// So many of the newest messages.
  case history(Int)
  /// Who is online.
  case who
  /// Something is wrong with the command; it says what.
  case fault(String)

  static let defaultHistory = 20
  static let maximumHistory = 100

  /// What to say of the commands.
  static let help =
    "/history [1–\(maximumHistory)], /who; a message that begins with / is typed as //…"

  /// - Parameter text: without control characters.
  init(_ text: String) {
    if text.isEmpty {
      self = .nothing
    } else if text.hasPrefix("//") {
      self = .message(String(text.dropFirst()))
    } else if text.hasPrefix("/") {
      self = Self.command(text.split(separator: " "))
    } else {
      self = .message(text)
    }
  }

  private static func command(_ words: [Substring]) -> ChatInput {
    switch (words.first, words.count) {
    case ("/who", 1): return .who
    case ("/history", 1): return .history(Self.defaultHistory)
    case ("/history", 2):
      guard let count = Int(words[1]), (1...Self.maximumHistory).contains(count) else {
        return .fault("/history takes a number from 1 to \(Self.maximumHistory)")
      }
      return .history(count)
    default: return .fault("there is no such command: \(Self.help)")
    }
  }
}
