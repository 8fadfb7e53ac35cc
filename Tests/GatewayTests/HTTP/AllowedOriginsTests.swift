import Testing

@testable import Gateway

@Suite("The origins from which browsers may connect")
struct AllowedOriginsTests {
  private func allow(_ list: String, _ origin: String) throws -> Bool {
    try AllowedOrigins(list).allow([WebOrigin(origin)])
  }

  @Test("are those of the list, in any case, with a default port or without")
  func exact() throws {
    let list =
      " https://app.example.com , http://localhost:8080,capacitor://localhost,http://[::1]:80,"
      + "http://127.0.0.1:3000,http://[2001:DB8::1],"
    for origin in [
      "https://app.example.com", "https://APP.example.com:443", "http://localhost:8080",
      "capacitor://localhost", "http://[::1]", "http://127.0.0.1:3000", "http://[2001:db8::1]",
    ] {
      #expect(try self.allow(list, origin), "\(origin)")
    }
    for origin in [
      "http://app.example.com", "https://app.example.com:8443", "https://example.com",
      "https://app.example.com.evil.example", "http://localhost", "null", "",
    ] {
      #expect(try !self.allow(list, origin), "\(origin)")
    }
  }

  @Test("are all hosts below one that has *. before it, and not that host itself")
  func wildcard() throws {
    for origin in [
      "https://app.example.com", "https://a.b.example.com", "https://app.EXAMPLE.com:443",
    ] {
      #expect(try self.allow("https://*.example.com", origin), "\(origin)")
      #expect(try self.allow("https://*.example.com:443", origin), "\(origin)")
    }
    for origin in [
      "https://example.com", "https://.example.com", "http://app.example.com",
      "https://app.example.com:8443", "https://badexample.com",
      "https://app.example.com.evil.example",
      "https://evil.example/.example.com", "https://user@app.example.com", "https://*.example.com",
    ] {
      #expect(try !self.allow("https://*.example.com", origin), "\(origin)")
    }
    #expect(try self.allow("http://*.localhost:8080", "http://a.localhost:8080"))
    #expect(try self.allow("https://*.example.com:8443", "https://app.example.com:8443"))
    #expect(try !self.allow("https://*.example.com:8443", "https://app.example.com"))
    #expect(try self.allow("https://a.example,https://*.b.example", "https://x.b.example"))
  }

  @Test("are all unless there is a list; and a request without an origin is not of a browser")
  func all() throws {
    #expect(AllowedOrigins.all.allow([WebOrigin("https://anywhere.example")]))
    #expect(try AllowedOrigins("https://a.example").allow([]))
  }

  @Test(
    "are refused at the start where they would equal no browser's",
    arguments: [
      ("", "names none"), (",", "names none"), (" , ,", "names none"),
      ("*", "leave the setting out"), ("null", "sandboxed"), ("app.example.com", "scheme"),
      ("//app.example.com", "scheme"), ("1://a.example", "scheme"), ("https://", "host"),
      ("https://app.example.com/", "slash"), ("https://app.example.com/chat", "no path"),
      ("https://a.example?x", "no path"), ("https://a.example#x", "no path"),
      ("https://user@a.example", "no path"), ("https://a.example:", "port"),
      ("https://a.example:0", "port"), ("https://a.example:65536", "port"),
      ("https://a.example:+80", "port"), ("https://a.example:080", "port"),
      ("https://*", "*."), ("https://*.", "host"), ("https://app.*.example.com", "*."),
      ("https://*app.example.com", "*."), ("https://*.*.example.com", "*."),
      ("*://app.example.com", "scheme"), ("https://bücher.example", "Punycode"),
      ("https://a..example", "host"), ("wss://app.example.com", "the page's scheme"),
      ("WS://app.example.com", "the page's scheme"), ("https://*.[::1]", "address"),
      ("https://*.127.0.0.1", "address"), ("https://[zz]", "host"), ("https://[::0001]", "host"),
      ("http://127.1", "host"), ("http://0x7f.0.0.1", "host"), ("https://1.2.3.256", "host"),
      ("https://0x7f", "host"), ("https://-", "host"), ("https://a-.example", "host"),
      ("https://*.com", "everybody"), ("https://*.com:8443", "everybody"),
      ("https://a.example https://b.example", "path"),
      ("https://a.example,ftp//b.example", "'ftp//b.example'"), ("file://host/", "path"),
    ])
  func refused(list: String, reason: String) throws {
    let error = try #require(throws: AllowedOrigins.Invalid.self) { try AllowedOrigins(list) }
    #expect(error.description.contains(reason), "\(error)")
    #expect(error.description.contains("https://*.example.com is all hosts below"))
  }

  @Test("may be the files of an app, which a WebView calls file://")
  func files() throws {
    #expect(try self.allow("file://", "file://"))
    #expect(try !self.allow("file://", "null"))
  }
}
