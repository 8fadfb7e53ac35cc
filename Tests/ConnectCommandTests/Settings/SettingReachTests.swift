import ArgumentParser
import Foundation
import LocalCluster
import Settings
import TestSupport
import Testing

@testable import ConnectCommand

/// An option that is declared must reach what its command is told, by flag and by variable.
@Suite("Options of commands")
struct SettingReachTests {
  @Test(
    "that are given as flags are the values of their settings", arguments: ReachedCommand.services)
  func flags(service: ReachedCommand) throws {
    let options = try self.options(of: service).filter { $0.setting != nil }
    #expect(options.count > 10)
    let arguments = options.flatMap { $0.isSwitch ? [$0.flag] : [$0.flag, "<\($0.name)>"] }
    let values = SettingValues(try service.parse(arguments), environment: [:])
    for option in options {
      let value = option.setting.flatMap { values.text($0) }
      #expect(value == (option.isSwitch ? "true" : "<\(option.name)>"), "\(option.flag)")
    }
  }

  @Test("are tested here, whichever command has them")
  func allCommands() throws {
    let tested = Set(ReachedCommand.all.map(\.path))
    for (path, command) in try Self.commands.get() where !tested.contains(path) {
      #expect(self.options(of: command).isEmpty, "\(path.joined(separator: " "))")
    }
  }

  /// The parser is slow: what settings do is seen by their variables, whose values are read by the same
  /// functions.
  @Test(
    "each change what the command is told, and none what another does",
    arguments: ReachedCommand.all)
  func reach(command: ReachedCommand) throws {
    let files = try Files()
    defer { files.remove() }
    let test = try ReachTest(of: command, environment: files.environment)
    var reached: [Reached: String] = [:]
    for option in try self.options(of: command) {
      guard let change = test.change(by: option, anyOf: files.values) else {
        Issue.record("\(option.flag) changes nothing")
        continue
      }
      if let other = reached.updateValue(option.flag, forKey: change) {
        Issue.record("\(option.flag) changes what \(other) does")
      }
      if let secret = option.secret {
        let values = try test.outcome([secret.variable: Files.secret]).get()
        #expect(values != test.before, "\(secret.variable) changes nothing")
      }
    }
  }

  @Test("are every setting, and those that are secret are variables beside an option for a file")
  func all() throws {
    let options = try ReachedCommand.services.flatMap { try self.options(of: $0) }
    let settings = options.compactMap(\.setting) + options.compactMap(\.secret)
    #expect(Set(settings) == Set(Setting.allCases))
  }

  private static let commands = Result { try DescribedCommand.all() }

  private func options(of tested: ReachedCommand) throws -> [CommandOption] {
    let command = try #require(
      try Self.commands.get().first { $0.path == tested.path }?.command)
    return self.options(of: command)
  }

  private func options(of command: DescribedCommand) -> [CommandOption] {
    (command.arguments ?? []).compactMap { argument in
      guard let name = argument.names?.first(where: { $0.kind == "long" })?.name,
        !["help", "version"].contains(name)
      else { return nil }
      return CommandOption(name: name, isSwitch: argument.kind == "flag")
    }
  }
}

private struct CommandOption {
  let name: String
  let isSwitch: Bool

  var flag: String { "--\(self.name)" }
  var setting: Setting? { Setting(rawValue: self.name) }

  /// The variable for a secret, where this is the option for a file with it.
  var secret: Setting? {
    self.name.hasSuffix("-file") ? Setting(rawValue: String(self.name.dropLast(5))) : nil
  }
}

/// A change by an option.
private enum Reached: Hashable {
  /// The paths of the changed values.
  case values(Set<String>)
  /// OpenSSL reads a file, and keeps to itself what is in it.
  case file(String)
}

private struct ReachTest {
  let before: [String: String]
  private let tested: ReachedCommand
  private let command: any ParsableArguments
  private let environment: [String: String]

  init(of tested: ReachedCommand, environment: [String: String]) throws {
    self.tested = tested
    self.command = try tested.parse(tested.given)
    self.environment = environment
    let read = { [command] in
      ValuesByPath.of(
        try tested.read(command, SettingValues(command, environment: environment)))
    }
    self.before = try read()
    #expect(try read() == self.before, "the settings must be the same each time")
  }

  func outcome(
    _ variables: [String: String], of command: (any ParsableArguments)? = nil
  ) -> Result<[String: String], any Error> {
    let environment = self.environment.merging(variables) { $1 }
    return Result {
      ValuesByPath.of(
        try self.tested.read(
          command ?? self.command, SettingValues(self.command, environment: environment)))
    }
  }

  /// Nil if neither a variable nor a flag of that name changes anything. Some commands have options of
  /// their own that are called as a setting of another command is.
  func change(by option: CommandOption, anyOf values: [String]) -> Reached? {
    if let setting = option.setting {
      for value in values {
        let outcome = self.outcome([setting.variable: option.isSwitch ? "true" : value])
        if let change = self.change(to: outcome, by: option, value) { return change }
      }
    }
    // `--data` and a Redis by URL exclude each other, and an empty variable is none.
    let variables = option.name == "data" ? [Setting.redisURL.variable: ""] : [:]
    for value in option.isSwitch ? [""] : Self.flagValues {
      let arguments = [option.flag] + (option.isSwitch ? [] : [value])
      let outcome = Result {
        // Some exclude the arguments that are needed without them, and some need others.
        try (try? self.tested.parse(self.tested.given + arguments))
          ?? (try? self.tested.parse(arguments))
          ?? self.tested.parse(self.tested.companions[option.name, default: []] + arguments)
      }.flatMap { self.outcome(variables, of: $0) }
      let before = try? self.outcome(variables).get()
      if let change = self.change(from: before, to: outcome, by: option, value) { return change }
    }
    return nil
  }

  /// One of these is a value for any option that is not a setting, and not its default.
  private static let flagValues = [
    "8", "7s", "ws://second:7", "name=7", "cluster", "accepted", "kill-gateway", "always",
    "clients",
  ]

  /// Nil if the value is not one for this option, or changes nothing.
  private func change(
    from before: [String: String]? = nil, to outcome: Result<[String: String], any Error>,
    by option: CommandOption, _ value: String
  ) -> Reached? {
    let before = before ?? self.before
    switch outcome {
    case .success(let values):
      let changed = Set(values.keys).union(before.keys)
        .filter { values[$0] != before[$0] }
      return changed.isEmpty ? nil : .values(changed)
    case .failure(let refusal):
      guard let refusal = refusal as? Failure, refusal.description.hasPrefix("TLS to Redis: "),
        refusal.description.contains(value)
      else { return nil }
      return .file(option.name)
    }
  }
}

/// The files and values for the settings of the tests.
private struct Files {
  static let secret = String(repeating: "variable", count: 5)

  private let certificates: LocalCertificates
  private let first: TemporaryFile
  private let second: TemporaryFile

  init() throws {
    self.certificates = try LocalCertificates()
    self.first = try TemporaryFile(Array(String(repeating: "first", count: 8).utf8))
    self.second = try TemporaryFile(Array(String(repeating: "second", count: 8).utf8))
  }

  func remove() {
    self.certificates.remove()
    self.first.remove()
    self.second.remove()
  }

  /// Settings without which others would change nothing.
  var environment: [String: String] {
    let settings: [Setting: String] = [
      .redisURL: "rediss://first", .redisCertificateFile: self.certificates.clientCertificateFile,
      .redisKeyFile: self.certificates.clientKeyFile, .authSecretFile: self.first.path,
      .apiListen: "127.0.0.1:8090", .serviceTokenFile: self.first.path, .metricsLog: "emf",
      .instanceID: "first", .partitions: "1",
    ]
    return Dictionary(uniqueKeysWithValues: settings.map { ($0.variable, $1) })
  }

  /// One of these is a value for any setting, and is neither its default nor the one above. For a
  /// certificate it is a file that is missing.
  var values: [String] {
    [
      "7", "1048577", self.second.path, "rediss://second", "127.0.0.1:7", "off", "json", "debug",
      "single", "replicated:1", "https://app.example.com",
    ]
  }
}
