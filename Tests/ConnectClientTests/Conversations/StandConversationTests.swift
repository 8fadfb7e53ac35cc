import ConnectProtocol
import LocalRedis
import NIOConcurrencyHelpers
import TestSupport
import Testing

@testable import ConnectClient
@testable import ConnectTestStand

/// Conversations against real gateways, messaging and Redis.
@Suite("Conversations of two people")
struct StandConversationTests {
  private func endpoint(_ stand: TestStand, _ gateway: Int) -> ConnectEndpoint {
    ConnectEndpoint(host: "127.0.0.1", port: stand.gateways[gateway].port)
  }

  private func texts(_ chat: Conversation) -> [String] {
    chat.entries.compactMap { try? $0.body.decode(String.self) }
  }

  @Test("show each message once and in order, whatever breaks, and after restarts")
  func twoPeople() async throws {
    let stand = try await TestStand.shared()
    let names = ["conversing-1", "conversing-2"]
    let users = try names.map { try #require(UserName($0)) }
    let directories = try (0..<2).map { _ in try TemporaryDirectory() }
    defer { for directory in directories { directory.remove() } }
    func with(_ index: Int, _ body: (ConnectClient) async throws -> Void) async throws {
      try await Conversing.with(
        self.endpoint(stand, index), as: users[index],
        store: FileStore(directory: directories[index].path.string),
        token: { try await stand.token(names[index]) }, body)
    }
    var expected: [String] = []
    var whole: [String] = []
    var middle = Offset.zero
    for round in 0..<3 {
      try await with(0) { one in
        try await with(1) { other in
          let here = one.conversation(with: users[1])
          let there = other.conversation(with: users[0])
          for number in 0..<20 {
            let text = "\(round).\(number)"
            expected.append(text)
            if number.isMultiple(of: 2) {
              try await here.send(text).accepted()
            } else {
              try await there.send(text).accepted()
            }
            if number == 7 { one.breakConnection() }
            if number == 12 { other.breakConnection() }
          }
          for chat in [here, there] {
            try await eventually("\(chat.name) shows \(expected.count)") {
              Set(self.texts(chat)) == Set(expected)
            }
            #expect(self.texts(chat).count == expected.count, "each once")
          }
          here.markRead()
          there.markRead()
          for chat in [here, there] {
            try await eventually("all is read: \(chat.shown)") {
              chat.entries.allSatisfy { $0.state == .read }
            }
          }
          // Of one sender in the order in which they were sent.
          for parity in 0..<2 {
            let sent = expected.enumerated().filter { $0.offset % 2 == parity }.map(\.element)
            #expect(self.texts(here).filter(sent.contains) == sent)
            #expect(self.texts(there).filter(sent.contains) == sent)
          }
          whole = self.texts(here)
          if round == 1 { middle = try #require(here.entries.last?.offset) }
        }
      }
    }
    // Another device begins in the middle, as one whose mailbox had a gap, and asks for what was before.
    let tablet = try #require(DeviceName("tablet"))
    let store = MemoryStore()
    _ = store.open(StoreOwner(user: users[0], server: self.endpoint(stand, 0), device: tablet))
    store.append([BookRecord.cut(middle).bytes])
    let client = ConnectClient(
      url: self.endpoint(stand, 0), user: users[0], device: tablet, store: store
    ) { try await stand.token(names[0]) }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await client.run() }
      let chat = client.conversation(with: users[1])
      try await eventually("the newer ones have come, not \(self.texts(chat))") {
        self.texts(chat) == Array(whole.suffix(20))
      }
      try await chat.loadEarlier(limit: 25)
      #expect(self.texts(chat) == Array(whole.suffix(45)) && chat.hasEarlier)
      while chat.hasEarlier { try await chat.loadEarlier(limit: 25) }
      #expect(self.texts(chat) == whole)
      #expect(client.conversations.items.map(\.peer.name) == [users[1]])
      client.close()
      try await group.waitForAll()
    }
  }

  @Test("are an app of sixty lines, as the documentation has it")
  func app() async throws {
    let stand = try await TestStand.shared()
    let names = ["app-1", "app-2"]
    let users = try names.map { try #require(UserName($0)) }
    let screens = NIOLockedValueBox<[[String]]>([[], []])
    try await withThrowingTaskGroup(of: Void.self) { group in
      for index in 0..<2 {
        let (typed, keyboard) = AsyncStream.makeStream(of: String.self)
        keyboard.yield("I am \(names[index])")
        keyboard.finish()
        let client = ConnectClient(url: self.endpoint(stand, index), user: users[index]) {
          try await stand.token(names[index])
        }
        group.addTask {
          await runApp(client, with: users[1 - index], typed: typed) { line in
            screens.withLockedValue { $0[index].append(line) }
          }
        }
      }
      for index in 0..<2 {
        try await eventually("\(names[index]) sees both, and that the own one is read") {
          let screen = screens.withLockedValue { $0[index] }
          return screen.contains("\(names[index]): I am \(names[index]) (read)")
            && screen.contains { $0.hasPrefix("\(names[1 - index]): I am \(names[1 - index])") }
        }
      }
      group.cancelAll()
    }
  }
}
