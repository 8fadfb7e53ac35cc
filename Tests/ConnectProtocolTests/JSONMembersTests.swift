import Testing

@testable import ConnectProtocol

@Suite("The members of an object whose names must differ")
struct JSONMembersTests {
  private func members(_ text: String) throws(JSONMembers.Fault) -> JSONMembers {
    try JSONMembers(Array(text.utf8))
  }

  @Test("have a value by name, escapes resolved")
  func values() throws {
    let members = try self.members(
      #" {"a":"x\u0041","\u0062":-1.5e2,"c":true,"d":false,"e":null,"f":[1],"g":{"a":1},"":1e999} "#
    )
    #expect(members["a"] == .string("xA"))
    #expect(members["b"] == .number(-150))
    #expect(members["c"] == .bool(true))
    #expect(members["d"] == .bool(false))
    #expect(members["e"] == .other)
    #expect(members["f"] == .other)
    #expect(members["g"] == .other)
    #expect(members[""] == .number(.infinity))
    #expect(members["h"] == nil)
    #expect(try self.members("{}")["a"] == nil)
  }

  @Test(
    "are none when a name is there twice, also with another value or other escapes",
    arguments: [#"{"a":1,"a":1}"#, #"{"a":1,"b":2,"a":null}"#, #"{"a":1,"\u0061":2}"#])
  func duplicate(_ text: String) {
    #expect(throws: JSONMembers.Fault.duplicate) { try self.members(text) }
  }

  @Test(
    "are none of anything else",
    arguments: ["", "[]", "\"a\"", "1", "null", "{", "{}{}", "{'a':1}", #"{"a":01}"#, #"{"a":1,}"#])
  func noObject(_ text: String) {
    #expect(throws: JSONMembers.Fault.noObject) { try self.members(text) }
  }
}
