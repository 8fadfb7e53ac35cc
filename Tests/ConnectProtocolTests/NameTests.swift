import ConnectProtocol
import Testing

@Suite("A name")
struct NameTests {
  @Test("has exactly the bytes of its alphabet")
  func alphabets() {
    let alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    for byte in UInt8.min...UInt8.max {
      let scalar = Character(Unicode.Scalar(byte))
      func accepts(_ punctuation: String) -> Bool {
        byte < 128 && (alphanumeric + punctuation).contains(scalar)
      }
      let (user, device, id) = withUnsafeBytes(of: byte) {
        (UserName(utf8: $0), DeviceName(utf8: $0), MessageID(utf8: $0))
      }
      #expect((user != nil) == accepts("._-@+:"))
      #expect((device != nil) == accepts("._-"))
      #expect((id != nil) == accepts("._:-"))
    }
  }

  @Test("has at least one byte and at most its limit")
  func lengths() {
    func name(_ count: Int) -> String { String(repeating: "a", count: count) }
    #expect(UserName("") == nil)
    #expect(DeviceName("") == nil)
    #expect(MessageID("") == nil)
    #expect(UserName(name(128))?.text.count == UserName.maximumLength)
    #expect(UserName(name(129)) == nil)
    #expect(DeviceName(name(64))?.text.count == DeviceName.maximumLength)
    #expect(DeviceName(name(65)) == nil)
    #expect(MessageID(name(64))?.text.count == MessageID.maximumLength)
    #expect(MessageID(name(65)) == nil)
  }

  @Test("is its text, whichever way it was made")
  func text() {
    #expect(UserName("alice@example.com")?.description == "alice@example.com")
    #expect(UserName("a+b:c") == withBytes("a+b:c") { UserName(utf8: $0) })
    #expect(DeviceName("phone") == withBytes("phone") { DeviceName(utf8: $0) })
    #expect(MessageID("m:1") == withBytes("m:1") { MessageID(utf8: $0) })
    #expect(DeviceName("phone")?.description == "phone")
    #expect(MessageID("m:1")?.description == "m:1")
    #expect(DeviceName.default.text == "default")
  }

  @Test("is nothing that only looks like ASCII")
  func lookalikes() {
    #expect(UserName("а") == nil)  // Cyrillic
    #expect(UserName("e\u{301}") == nil)
    #expect(UserName("a b") == nil)
    #expect(UserName("a\0") == nil)
  }

  @Test("tells its own limit in its alphabet")
  func alphabetSentence() {
    #expect(UserName.alphabet.hasPrefix("1 to \(UserName.maximumLength) "))
    #expect(DeviceName.alphabet.hasPrefix("1 to \(DeviceName.maximumLength) "))
    #expect(MessageID.alphabet.hasPrefix("1 to \(MessageID.maximumLength) "))
  }
}
