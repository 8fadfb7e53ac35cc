import ArgumentParser
struct ChatCommand: AsyncParsableCommand { static let configuration = CommandConfiguration(commandName: "chat") }
struct BenchCommand: AsyncParsableCommand { static let configuration = CommandConfiguration(commandName: "bench") }
