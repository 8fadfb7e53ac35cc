import ConnectProtocol
import ConnectTestStand
import TestSupport
import Testing

/// Gateways and messaging in one process, which would end with any of them.
@Suite("Whatever Redis answers, services go on", .timeLimit(.minutes(20)))
struct DamagedReplyTests {
  @Test("and do their work as soon as the answers are true again", arguments: [1, 2] as [UInt64])
  func services(seed: UInt64) async throws {
    let damage = ReplyDamage(every: 4, seed: seed)
    var options = TestStand.Options(gateways: 2)
    options.clients = { DamagingClients($0, damage) }
    options.configure = {
      $0.pingSeconds = 1
      $0.unackedMessages = 8
    }
    options.configureMessaging = {
      $0.leaseSeconds = 1
      $0.mailboxes.entries = 20
      $0.mailboxes.historyEntries = 2
    }
    try await TestStand.with(options) { stand in
      damage.isOn = true
      var number = 0
      while damage.damaged < 1_500 {
        number += 1
        await Self.chat(on: stand, number)
      }
      damage.isOn = false
      print("seed \(seed): \(damage.damaged) damaged replies in \(number) rounds")

      for gateway in 0..<2 {
        var attempt = 0
        // An attempt may fail for what is wrong from before, after the usual wait.
        try await eventually(
          "somebody can chat through gateway \(gateway)", within: TestWaits.usual * 4
        ) {
          attempt += 1
          // Each time another one, of whom nothing false is stored.
          let name = "new-\(gateway)-\(attempt)"
          guard let socket = try? await stand.online(name, gateway: gateway) else { return false }
          defer { socket.close() }
          socket.sendMessage("hello", to: name)
          for _ in 0..<2 {
            // Accepted, and the message: whichever comes first.
            guard let frame = try? await socket.expectFrame() else { return false }
            if frame.type == "message" { return true }
          }
          return false
        }
      }
    }
  }

  /// Some users come, write to each other, ack whatever comes, and go. What becomes of it is not
  /// looked at.
  private static func chat(on stand: TestStand, _ number: Int) async {
    let names = (0..<4).map { "user-\((number + $0) % 6)" }
    var sockets: [TestSocket] = []
    for (index, name) in names.enumerated() {
      if let socket = try? await stand.connect(name, gateway: index % 2) { sockets.append(socket) }
    }
    for (index, socket) in sockets.enumerated() {
      for message in 0..<8 {
        socket.sendMessage(
          "m\(number)-\(index)-\(message / 2)", to: names[(index + 1) % names.count],
          also: message % 2 == 0 ? #","receipt":true"# : #","retry":true"#)
      }
      socket.ack(Offset(milliseconds: .max, sequence: .max))
    }
    try? await Task.sleep(for: .milliseconds(20))
    for socket in sockets { socket.close() }
  }
}
