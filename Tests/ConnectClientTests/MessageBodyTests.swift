import ConnectClient
import Testing

@Suite("The body of a message")
struct MessageBodyTests {
  private struct Note: Codable, Hashable {
    var text: String
    var about: [Int]?
  }

  @Test("is a value of the app, there and back")
  func values() throws {
    let note = Note(text: "a \"b\" / \u{1} ä 你好", about: [1, -2])
    #expect(try MessageBody(encoding: note).decode(Note.self) == note)
    #expect(try MessageBody(encoding: Note(text: "a/b")).json == #"{"text":"a/b"}"#)
  }

  @Test("is a string, a number or null, too")
  func scalars() throws {
    #expect(try MessageBody(encoding: "say \"hi\"").json == #""say \"hi\"""#)
    #expect(try MessageBody(encoding: "hi").decode(String.self) == "hi")
    #expect(try MessageBody(encoding: 7).json == "7")
    #expect(try MessageBody(encoding: Int?.none).json == "null")
  }

  @Test("keeps JSON byte for byte")
  func json() throws {
    let text = #"{ "text" : "\u00e4", "n": 1.0 }"#
    let body = try MessageBody(json: text)
    #expect(body.json == text)
    #expect(body.bytes == Array(text.utf8))
    #expect(body == (try MessageBody(json: Array(text.utf8))))
    #expect("\(body)" == text)
  }

  @Test(
    "is one JSON value and nothing else",
    arguments: ["", "{", "{} {}", "{\"text\":", "hi", "\"\n\"", "[1,]", "NaN"])
  func malformed(text: String) {
    #expect(throws: ConnectSendError.self) { try MessageBody(json: text) }
  }

  @Test("tells when it is of another form than the app expects, or a value has no JSON")
  func otherForms() throws {
    let body = try MessageBody(json: #"{"image":"x"}"#)
    #expect(throws: DecodingError.self) { try body.decode(Note.self) }
    #expect(throws: ConnectSendError.self) { try MessageBody(encoding: Double.infinity) }
  }
}
