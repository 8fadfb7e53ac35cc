import ConnectClient
import Redis

/// The body of a chat message: `{"text": "…"}`.
enum ChatBody {
  private struct Text: Decodable { let text: String }

  static func encode(_ text: String) -> [UInt8] {
    var json: [UInt8] = Array("{\"text\":\"".utf8)
    json.reserveCapacity(text.utf8.count + 16)
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"):
        json.append(UInt8(ascii: "\\"))
        json.append(byte)
      case 0..<0x20:
        json.append(contentsOf: "\\u00".utf8)
        json.append(Self.hexadecimal[Int(byte >> 4)])
        json.append(Self.hexadecimal[Int(byte & 15)])
      default:
        json.append(byte)
      }
    }
    json.append(contentsOf: "\"}".utf8)
    return json
  }

  private static let hexadecimal = Array("0123456789abcdef".utf8)

  /// The text of a body; a body of another form is returned unchanged.
  static func decode(_ body: MessageBody) -> String {
    (try? body.decode(Text.self))?.text ?? body.json
  }

  /// A text as one line: what would end the line is escaped, so that ordinary lines come out as they
  /// went in.
  ///
  /// - Parameter isForTerminal: whether a terminal would obey what else is in the text, which is then
  ///   made visible.
  static func line(_ text: String, isForTerminal: Bool = false) -> String {
    var line = text
    if text.utf8.contains(where: { $0 == 0x0A || $0 == 0x0D }) {
      line = ""
      for scalar in text.unicodeScalars {
        switch scalar {
        case "\n": line += "\\n"
        case "\r": line += "\\r"
        default: line.unicodeScalars.append(scalar)
        }
      }
    }
    return isForTerminal ? Self.visible(line) : line
  }

  /// A line that was typed, as it was meant: without what the keys for arrows and the like left in it,
  /// and without other control characters but tabs.
  static func typed(_ line: String) -> String {
    var result = ""
    var rest = line.unicodeScalars[...]
    while let scalar = rest.popFirst() {
      if scalar == "\u{1B}" {
        Self.skipSequence(&rest)
      } else if scalar == "\t" || scalar.properties.generalCategory != .control {
        result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// Passes over what follows an escape: `[` or `O`, parameters, and the letter that ends it
  /// (ECMA-48, section 5.4).
  private static func skipSequence(_ rest: inout Substring.UnicodeScalarView) {
    guard rest.first == "[" || rest.first == "O" else { return }
    rest.removeFirst()
    while let scalar = rest.first, ("\u{20}"..."\u{3F}").contains(scalar) { rest.removeFirst() }
    if let scalar = rest.first, ("\u{40}"..."\u{7E}").contains(scalar) { rest.removeFirst() }
  }

  /// Why a message failed, safe on a terminal.
  static func visible(_ failure: Conversation.Failure?) -> String {
    failure.map { Self.visible("\($0.message) (\($0.code))") } ?? ""
  }

  /// A text that is safe on a terminal: nothing in it can move the cursor or colour the screen.
  static func visible(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\n": result += "⏎ "
      case "\t": result += " "
      case _ where PrintableText.isHidden(scalar): result += "\u{FFFD}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
