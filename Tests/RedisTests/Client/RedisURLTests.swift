import Testing

@testable import Redis

@Suite("A Redis URL")
struct RedisURLTests {
  static let accepted: [(String, RedisURL)] = [
    ("redis://localhost", RedisURL(host: "localhost")),
    ("redis://localhost/", RedisURL(host: "localhost")),
    ("redis://10.0.0.1:7000", RedisURL(host: "10.0.0.1", port: 7_000)),
    ("redis://h:1/0", RedisURL(host: "h", port: 1)),
    ("redis://h:65535/15", RedisURL(host: "h", port: 65_535, database: 15)),
    ("redis://h/3", RedisURL(host: "h", database: 3)),
    ("redis://[::1]", RedisURL(host: "::1")),
    ("redis://[::1]:6380/2", RedisURL(host: "::1", port: 6_380, database: 2)),
    ("redis://user@h", RedisURL(host: "h", user: "user")),
    ("redis://:secret@h", RedisURL(host: "h", password: "secret")),
    (
      "redis://user:secret@h:1/2",
      RedisURL(host: "h", port: 1, user: "user", password: "secret", database: 2)
    ),
    ("redis://user:@h", RedisURL(host: "h", user: "user", password: "")),
    ("redis://user:s:e:c@h", RedisURL(host: "h", user: "user", password: "s:e:c")),
    ("redis://user:a@b/c@h", RedisURL(host: "h", user: "user", password: "a@b/c")),
    ("redis://u%3Aser:p%40%2f%25@h", RedisURL(host: "h", user: "u:ser", password: "p@/%")),
    ("redis://:%C3%A9é@h", RedisURL(host: "h", password: "éé")),
    ("redis://:s@[fe80::1]:1", RedisURL(host: "fe80::1", port: 1, password: "s")),
    ("redis://@h", RedisURL(host: "h")),
    ("rediss://h", RedisURL(addresses: [RedisAddress(host: "h")], isTLS: true)),
    ("REDISS://h", RedisURL(addresses: [RedisAddress(host: "h")], isTLS: true)),
    ("Redis://U:S@H:1", RedisURL(host: "H", port: 1, user: "U", password: "S")),
    (
      "rediss://u:s@a:1,b,[::1]:3,[::2]/0",
      RedisURL(
        addresses: [
          RedisAddress(host: "a", port: 1), RedisAddress(host: "b"),
          RedisAddress(host: "::1", port: 3), RedisAddress(host: "::2"),
        ], isTLS: true, user: "u", password: "s")
    ),
    (
      "redis://:a,b@h1:1,h2:2",
      RedisURL(
        addresses: [RedisAddress(host: "h1", port: 1), RedisAddress(host: "h2", port: 2)],
        password: "a,b")
    ),
  ]

  @Test("is read in every form", arguments: accepted)
  func forms(text: String, expected: RedisURL) throws {
    #expect(try RedisURL(parsing: text) == expected)
  }

  static let refused: [(String, String)] = [
    ("", "the URL must begin with redis:// or rediss://"),
    ("localhost:6379", "the URL must begin with redis:// or rediss://"),
    ("http://h", "the URL must begin with redis:// or rediss://"),
    ("rediss://", "the host is missing"),
    ("redis://h1:1,", "the host is missing"),
    ("redis://,h2", "the host is missing"),
    ("redis://h1,,h2", "the host is missing"),
    ("redis://h1/0,h2", "the database must be a number"),
    ("REDISX://h", "the URL must begin with redis:// or rediss://"),
    ("redis://[::1],::2", "an IPv6 address needs brackets"),
    ("redis://h1:1,h2:hunter2", "the port must be a number from 1 to 65535"),
    ("redis://", "the host is missing"),
    ("redis://:6379", "the host is missing"),
    ("redis:///1", "the host is missing"),
    ("redis://:hunter2@", "the host is missing"),
    ("redis://:hunter2@:1", "the host is missing"),
    ("redis://[]", "the host is missing"),
    ("redis://[::1", "an IPv6 address needs a closing bracket"),
    ("redis://::1", "an IPv6 address needs brackets"),
    ("redis://[::1]hunter2", "after the address only a port may follow"),
    ("redis://h:", "the port must be a number from 1 to 65535"),
    ("redis://h:0", "the port must be a number from 1 to 65535"),
    ("redis://h:65536", "the port must be a number from 1 to 65535"),
    ("redis://h:+1", "the port must be a number from 1 to 65535"),
    ("redis://h:-1", "the port must be a number from 1 to 65535"),
    ("redis://h:99999999999999999999", "the port must be a number from 1 to 65535"),
    ("redis://user:hunter2", "the port must be a number from 1 to 65535"),
    ("redis://user:hunter2/1", "the port must be a number from 1 to 65535"),
    ("redis://h/one", "the database must be a number"),
    ("redis://h/-1", "the database must be a number"),
    ("redis://h/+1", "the database must be a number"),
    ("redis://h/1/2", "the database must be a number"),
    ("redis://h/99999999999999999999", "the database must be a number"),
    ("redis://h/0?password=hunter2", "the database must be a number"),
    ("redis://u%:hunter2@h", "user or password has a broken percent escape"),
    ("redis://:hunter2%@h", "user or password has a broken percent escape"),
    ("redis://:hunter2%4@h", "user or password has a broken percent escape"),
    ("redis://:hunter2%zz@h", "user or password has a broken percent escape"),
    ("redis://:hunter2%+f@h", "user or password has a broken percent escape"),
    ("redis://:hunter2%aé@h", "user or password has a broken percent escape"),
    ("redis://:hunter2%é@h", "user or password has a broken percent escape"),
    ("redis://:hunter2%ff@h", "user or password has a broken percent escape"),
  ]

  @Test("is refused with what to correct, and never with the password", arguments: refused)
  func refusals(text: String, reason: String) {
    do throws(RedisURL.Malformed) {
      let url = try RedisURL(parsing: text)
      Issue.record("was read as \(url)")
    } catch {
      #expect(
        error.description
          == "\(reason); expected \(RedisURL.form)")
      #expect(!"\(error) \(String(reflecting: error))".contains("hunter2"))
    }
  }

  @Test("shows everything but the password")
  func description() throws {
    #expect(try RedisURL(parsing: "redis://u:hunter2@h:1/2").description == "redis://u@h:1/2")
    #expect(try RedisURL(parsing: "redis://:hunter2@[::1]").description == "redis://[::1]:6379/0")
    #expect(try RedisURL(parsing: "redis://h").description == "redis://h:6379/0")
    let several = try RedisURL(parsing: "rediss://:hunter2@a,[::1]:2,c:3").description
    #expect(several == "rediss://a:6379,[::1]:2,c:3/0")
  }

  @Test("never shows the password, in whatever way it is printed")
  func password() throws {
    let url = try RedisURL(parsing: "redis://u:hunter2@h")
    struct Configuration { let url: RedisURL, other: RedisURL? }
    var dumped = ""
    dump(Configuration(url: url, other: url), to: &dumped)
    let texts = [
      "\(url)", String(reflecting: url), "\([url])", "\(Optional(url) as Any)",
      "\(Configuration(url: url, other: url))", dumped,
    ]
    for text in texts { #expect(!text.contains("hunter2")) }
  }
}
