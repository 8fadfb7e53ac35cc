import Testing

@testable import BackendAPI

@Suite("A media type")
struct MediaTypeTests {
  @Test(
    "is read with its parameters, quoted or not (RFC 9110, section 8.3.1)",
    arguments: [
      ("application/json", [:]), ("Application/JSON", [:]), ("application/json;", [:]),
      ("application/json; ;", [:]), ("application/json;charset=UTF-8", ["charset": "UTF-8"]),
      ("application/json ;\tCharset=utf-8 ; a=b", ["charset": "utf-8", "a": "b"]),
      (#"application/json; charset="utf-8""#, ["charset": "utf-8"]),
      (#"application/json; a="x;charset=latin1\"""#, ["a": #"x;charset=latin1""#]),
      ("application/json; charset=utf-8; charset=latin1", ["charset": "utf-8"]),
    ])
  func read(_ text: String, _ parameters: [String: String]) {
    let type = MediaType(text)
    #expect(type?.name == "application/json")
    #expect(type?.parameters == parameters)
  }

  @Test(
    "is none in another form",
    arguments: [
      "", "json", "application/", "/json", "application/ json", "application/json x",
      "application/json, application/json", "application/json; charset", "application/json; =x",
      "application/json; charset =utf-8", "application/json; charset= utf-8",
      #"application/json; charset="utf-8"#, #"application/json; charset="utf-8"x"#, "a/b/c",
    ])
  func none(_ text: String) {
    #expect(MediaType(text) == nil)
  }
}
