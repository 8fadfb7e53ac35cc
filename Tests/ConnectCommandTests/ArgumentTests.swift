import ArgumentParser
import MessageBus
import Settings
import Testing

@testable import ConnectBench
@testable import ConnectCommand

/// Messages of the command line about arguments that it refuses.
@Suite("Arguments")
struct ArgumentTests {
  /// The message about arguments that are refused; nil if they are not.
  private func refusal(_ arguments: [String]) -> String? {
    let (program, arguments) = Programs.split(arguments)
    return self.refusal(arguments, by: program)
  }

  private func refusal(_ arguments: [String], by type: any ParsableCommand.Type) -> String? {
    do {
      _ = try type.parseAsRoot(ArgumentRules.joiningNegativeNumbers(arguments))
      return nil
    } catch {
      return type.message(for: error)
    }
  }

  private static let user = "a user name, 1 to 128 of A-Z a-z 0-9 . _ - @ + :"
  private static let gateway =
    "ws:// or wss://host[:port][/path] with a port from 1 to 65535, such as ws://127.0.0.1:8080"
  private static let plainGateway =
    "ws://host[:port][/path] with a port from 1 to 65535, such as ws://127.0.0.1:8080 (wss:// is not "
    + "supported here)"
  private static let timeSpan =
    "it must be a whole number from 1 to 1000000 and a unit, such as 30s, 15m, 1h or 7d"
  private static let chat = ["chat", "--as", "a", "--to", "b"]

  @Test(
    "are refused with the value, the option and the rule",
    arguments: [
      (["inspect", "user", "bob smith"], "bob smith", "<user>", user),
      (["token", "bob smith"], "bob smith", "<user>", user),
      (["chat", "--as", "a b", "--to", "c"], "a b", "--as", user),
      (["chat", "--as", "a", "--to", ""], "", "--to", user),
      (chat + ["--device", "a/b"], "a/b", "--device", "a device name, 1 to 64 of"),
      (["token", "a", "--device", "a/b"], "a/b", "--device", "a device name, 1 to 64 of"),
      (chat + ["--url", "http://x"], "http://x", "--url", gateway),
      (chat + ["--url", "wss://x:0"], "wss://x:0", "--url", gateway),
      (chat + ["--url", "ws://h:99999"], "ws://h:99999", "--url", gateway),
      (["connect-bench", "--url", "localhost:8080"], "localhost:8080", "--url", plainGateway),
      (["connect-bench", "--url", "wss://x"], "wss://x", "--url", plainGateway),
      (chat + ["--count", "0"], "0", "--count", "a whole number, 1 or more"),
      (["token", "a", "--ttl", "1 hour"], "1 hour", "--ttl", timeSpan),
      (["token", "a", "--ttl", "1.5h"], "1.5h", "--ttl", timeSpan),
      (["token", "a", "--ttl", "1000001d"], "1000001d", "--ttl", timeSpan),
      (["health", "localhost:9090"], "localhost:9090", "<url>", "http://host[:port]/path"),
      (
        ["health", "http://h:99999/"], "http://h:99999/", "<url>",
        "with a port from 1 to 65535, such as"
      ),
      (["health", "--timeout", "0"], "0", "--timeout", "a whole number from 1 to 60"),
      (["dev", "--gateways", "0"], "0", "--gateways", "a whole number from 1 to 16"),
      (["dev", "--port", "http"], "http", "--port", "a whole number from 1 to 65535"),
      (
        ["inspect", "deadletters", "show", "1-x"], "1-x", "<offset>",
        "an offset as `inspect deadletters` lists them, such as 1795309875007-0"
      ),
      (
        ["inspect", "deadletters", "--limit", "0"], "0", "--limit",
        "a whole number from 1 to 100000"
      ),
      (
        ["connect-bench", "--durability", "replicated"], "replicated", "--durability",
        "accepted, or replicated:N with N from 1 to 5"
      ),
      (
        ["connect-bench", "--connections", "3"], "3", "--connections",
        "an even number from 2 to 1000000"
      ),
      (
        ["connect-bench", "--body-bytes", "1"], "1", "--body-bytes",
        "a whole number from 2 to 16777216"
      ),
      (["connect-bench", "--window", "0"], "0", "--window", "a whole number from 1 to 1024"),
      (["connect-bench", "--aof", "never"], "never", "--aof", "'no', 'everysec'"),
      (
        ["connect-bench", "curve", "--rates", "200,100"], "200,100", "--rates",
        "whole numbers from 1 to 1000000, rising, separated by commas"
      ),
      (["connect-bench", "--process", "x"], "x", "--process", "name=pid, such as gateway=4711"),
      (["connect-bench", "faults", "--minutes", "-1"], "-1", "--minutes", "a number above 0"),
      (
        ["connect-bench", "faults", "--redis", "two"], "two", "--redis", "'plain', 'tls', 'cluster'"
      ),
    ])
  func rule(arguments: [String], value: String, option: String, rule: String) throws {
    let text = try #require(self.refusal(arguments))
    #expect(text.contains("'\(value)'"), "\(text)")
    #expect(text.contains(" for '\(option)"), "\(text)")
    #expect(text.contains(rule), "\(text)")
  }

  @Test("may name a gateway behind TLS, to chat")
  func secureGateway() {
    #expect(self.refusal(Self.chat + ["--url", "wss://chat.example.com"]) == nil)
  }

  @Test(
    "that do not go together are refused, with what to give",
    arguments: [
      (["chat", "--rate", "1", "--window", "1"], "--rate and --window: name one of them"),
      (
        ["chat", "--connections", "2000", "--window", "1000"],
        "give a smaller one, or fewer --connections"
      ),
      (
        ["chat", "--connections", "2", "--window", "8", "--body-bytes", "16777216"],
        "or shorter --body-bytes"
      ),
      (["chat", "--asker-rate", "1"], "say how many there are"),
      (["chat", "--process", "gateway=1"], "give their --url, or leave it out"),
      (
        ["chat", "--url", "ws://a:1", "--aof", "everysec", "--gateways", "3"],
        "leave out --gateways, --aof"
      ),
      (
        ["chat", "--url", "ws://a:1", "--process", "gateway=1", "--process", "gateway=2"],
        "'gateway' is the name of another one"
      ),
      (
        ["chat", "--url", "ws://a:1", "--process", "load generator=1"],
        "'load generator' is the name of another one"
      ),
      (["curve", "--json", "--compare", "file"], "leave out --json, or give --svg"),
      (
        ["curve", "--read", "file", "--rates", "1,2", "--seconds", "3", "--url", "ws://a:1"],
        "leave out --rates, --seconds, --url"
      ),
      (["storm", "--gateways", "1"], "give at least 2, or --loss clients"),
      (
        ["scale", "--connections", "2000", "--window", "1000"],
        "give a smaller one, or fewer --connections"
      ),
    ])
  func exclusion(arguments: [String], advice: String) throws {
    let text = try #require(self.refusal(["connect-bench"] + arguments))
    #expect(text.contains(advice), "\(text)")
  }

  @Test("that are words are taken in any case")
  func anyCase() throws {
    let words = ["--durability", "Replicated:1"]
    #expect(try BenchRedisOptions.parse(words).durability == .replicated(1))
  }

  @Test("that are negative numbers are values, not options")
  func negative() {
    #expect(self.refusal(["messaging", "--partitions", "-1"]) == nil)
    let given = ["--", "-1", "--a", "-1.5", "--b=1", "-2", "-x", "--c"]
    let joined = ["--", "-1", "--a=-1.5", "--b=1", "-2", "-x", "--c"]
    #expect(ArgumentRules.joiningNegativeNumbers(given) == joined)
  }

  /// Commands that share an option have it from one declaration: it is tried with the first of them, since
  /// each attempt takes a tenth of a second.
  @Test("are never called invalid without a rule, whichever option it is")
  func noneWithoutRule() async throws {
    var refused = 0
    var seen: Set<[String]> = []
    for (path, command) in try DescribedCommand.all() {
      // By itself, since the parser looks at all commands of a program for each line.
      guard let type = Programs.type(at: path) else { continue }
      for argument in command.arguments ?? [] where argument.kind != "flag" {
        guard seen.insert([argument.title, argument.abstract ?? ""]).inserted else { continue }
        await Task.yield()
        let value = "\u{7}=\u{7} ☃"
        let isNamed = argument.names?.isEmpty == false
        guard
          let text = self.refusal([isNamed ? "\(argument.title)=\(value)" : value], by: type),
          text.contains("is invalid for")
        else { continue }
        refused += 1
        let place = (path + [argument.title]).joined(separator: " ")
        #expect(
          text.contains(": it must be ") || text.contains("Please provide one of"), "\(place)")
      }
    }
    #expect(refused > 30)
  }

  @Test(
    "that are misspelled subcommands get a suggestion",
    arguments: [
      (["gatway"], "gatway", "connect gateway"), (["hlep"], "hlep", "connect help"),
      (["Gateway", "--listen", "x"], "Gateway", "connect gateway"),
      (["inspect", "usr"], "usr", "connect inspect user"),
      (["inspect", "user-s", "bob"], "user-s", "connect inspect user"),
      (["connect-bench", "chta", "--rate", "1"], "chta", "connect-bench chat"),
      (
        ["inspect", "deadletters", "requeu", "1-0"], "requeu", "connect inspect deadletters requeue"
      ),
      (["help", "mesaging"], "mesaging", "connect messaging"),
      (["help", "inspect", "steams"], "steams", "connect inspect streams"),
    ])
  func suggestion(arguments: [String], word: String, command: String) throws {
    let (program, arguments) = Programs.split(arguments)
    let unknown = try #require(UnknownCommand(arguments, of: program))
    #expect(unknown.description.hasPrefix("'\(word)' is not a command of `connect"))
    #expect(unknown.description.hasSuffix("did you mean `\(command)`?"), "\(unknown)")
  }

  @Test("that are nothing like a subcommand get the list of them")
  func list() throws {
    let unknown = try #require(UnknownCommand(["inspect", "everything"], of: ConnectCommand.self))
    #expect(
      unknown.description == """
        'everything' is not a command of `connect inspect`: there are overview, streams, \
        partitions, gateways, user, deadletters; see `connect inspect --help`
        """)
  }

  @Test(
    "that are subcommands, options and their values are not taken for misspelled ones",
    arguments: [
      [], ["--help"], ["help"], ["connect-bench", "help", "chat"], ["connect-bench"],
      ["connect-bench", "--rate", "chta"],
      ["inspect", "user", "usr"], ["inspect", "--json"], ["inspect", "deadletters", "show", "shw"],
      ["token", "alice"], ["health", "x"],
    ])
  func known(arguments: [String]) {
    let (program, arguments) = Programs.split(arguments)
    #expect(UnknownCommand(arguments, of: program) == nil)
  }

  @Test(
    "that are misspelled options get a suggestion",
    arguments: [
      (["gateway", "--lisen", "x"], "--listen"), (["inspect", "--jsn"], "--json"),
      (["connect-bench", "--rat", "1"], "--rate"), (["gateway", "--what-ever", "x"], nil),
    ])
  func option(arguments: [String], suggestion: String?) throws {
    let text = try #require(self.refusal(arguments))
    #expect(text.hasPrefix("Unknown option '\(arguments[1])'"))
    #expect(text.hasSuffix(suggestion.map { ". Did you mean '\($0)'?" } ?? "'"), "\(text)")
  }
}
