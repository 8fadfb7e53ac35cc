import BusTestSupport
import ConnectProtocol
import Redis
import SeededRandom
import TestSupport
import Testing

@testable import MessageBus

@Suite("An entry of deliveries")
struct DeliveryTests {
  private func bigEndian(_ number: UInt64, bytes: Int) -> [UInt8] {
    (0..<bytes).map { UInt8(truncatingIfNeeded: number >> (8 * UInt64(bytes - 1 - $0))) }
  }

  private func item(_ tag: UInt8, _ rest: [UInt8]) -> [UInt8] {
    [tag] + self.bigEndian(UInt64(rest.count), bytes: 4) + rest
  }

  private func packed(_ offset: Offset) -> [UInt8] {
    self.bigEndian(offset.milliseconds, bytes: 8) + self.bigEndian(offset.sequence, bytes: 8)
  }

  private func push(_ previous: Offset, _ offset: Offset, _ envelope: [UInt8]) -> [UInt8] {
    self.item(
      1,
      self.packed(previous) + self.packed(offset) + envelope)
  }

  private func texts(_ bytes: [UInt8]) -> [String] {
    Delivery.list(ReplyBytes(bytes)).map { delivery in
      switch delivery {
      case .push(let previous, let offset, let envelope):
        "\(previous) \(offset) \(envelope.idText) \(envelope.bodyText)"
      case .position(let user, let peer, let row, let previous, let floor):
        "\(user) \(peer) \(row.delivered) \(row.read) \(row.mine) \(row.stamp) \(previous) \(floor)"
      case .replaced(let user, let connection): "\(user) \(connection)"
      case .signal(let user, let from, let name, let at, let body):
        "\(user) \(from) \(name.text) \(at) \(body.withUnsafeBytes { String(decoding: $0, as: UTF8.self) })"
      case .closing(let user, let device, let isErased):
        "\(user) \(device?.text ?? "all") \(isErased)"
      }
    }
  }

  private var three: [[UInt8]] {
    [
      self.push(.zero, offset(1, 2), Envelope.Draft.message(id: "a").array),
      self.item(2, Array("bob\0c-7".utf8)),
      self.push(offset(1, 2), offset(.max, .max), Envelope.Draft.message(id: "b").array),
    ]
  }

  private let threeTexts = [
    "0-0 1-2 a \"hello\"", "bob c-7", "1-2 \(UInt64.max)-\(UInt64.max) b \"hello\"",
  ]

  @Test("is read in order, as documented")
  func whole() {
    #expect(self.texts([1] + self.three.joined()) == self.threeTexts)
    #expect(self.texts([1]) == [])
  }

  @Test("has all that was whole when it was cut")
  func truncated() {
    let bytes: [UInt8] = [1] + self.three.joined()
    var ends: [Int] = []
    for part in self.three { ends.append((ends.last ?? 1) + part.count) }
    for count in 0...bytes.count {
      let whole = ends.filter { $0 <= count }.count
      #expect(self.texts(Array(bytes[..<count])) == Array(self.threeTexts.prefix(whole)))
    }
  }

  @Test("names whose connections must go: all or one, with flags that later releases may add to")
  func closings() {
    let bytes =
      [1] + self.item(3, Array("bob\0\0".utf8) + [0])
      + self.item(3, Array("bob\0phone\0".utf8) + [1])
      + self.item(3, Array("bob\0\0".utf8) + [0xfe, 9, 9])
    #expect(self.texts(bytes) == ["bob all false", "bob phone true", "bob all false"])
  }

  private func position(_ names: String) -> [UInt8] {
    self.item(
      4,
      self.bigEndian(7, bytes: 8) + self.bigEndian(9, bytes: 8)
        + [offset(1, 2), offset(3, 4), offset(5, 6), offset(7, 8)].flatMap(self.packed)
        + Array(names.utf8))
  }

  @Test("has rows of positions, each with its stamp and the one before")
  func positions() {
    #expect(
      self.texts([1] + self.position("alice\0bob") + self.three[1])
        == ["alice bob 1-2 3-4 5-6 9 7 7-8", "bob c-7"])
  }

  private func signal(_ at: UInt64, _ rest: String) -> [UInt8] {
    self.item(5, self.bigEndian(at, bytes: 8) + Array(rest.utf8))
  }

  @Test("has signals, with a body that is any bytes, or none")
  func signals() {
    #expect(
      self.texts(
        [1] + self.signal(7, "bob\0alice\0typing\0") + self.signal(.max, "bob\0alice\0x\0{\0\0}")
          + self.three[1])
        == ["bob alice typing 7 ", "bob alice x \(UInt64.max) {\0\0}", "bob c-7"])
  }

  @Test("of an unknown version is empty")
  func version() {
    for version in UInt8.min...UInt8.max where version != 1 {
      #expect(self.texts([version] + self.three[0]) == [])
    }
    #expect(self.texts([]) == [])
  }

  @Test("leaves out what it cannot read, and nothing behind it")
  func unreadable() {
    let bad: [[UInt8]] = [
      self.item(0, []), self.item(9, [1, 2, 3]), self.item(1, []),
      self.item(1, [UInt8](repeating: 0, count: 31)),
      self.item(1, [UInt8](repeating: 0, count: 32)),
      self.push(.zero, offset(1), [9, 9]), self.item(2, []), self.item(2, Array("bob".utf8)),
      self.item(2, Array("\0c".utf8)), self.item(2, Array("b b\0c".utf8)),
      self.item(3, []), self.item(3, Array("bob\0d\0".utf8)), self.item(3, Array("bob\0d".utf8)),
      self.item(4, []), self.position(""), self.position("alice"), self.position("alice\0"),
      self.position("\0bob"), self.position("alice\0b b"),
      self.item(5, []), self.item(5, [0, 0, 0]), self.signal(7, ""), self.signal(7, "bob"),
      self.signal(7, "bob\0alice"), self.signal(7, "bob\0alice\0typing"),
      self.signal(7, "\0alice\0typing\0"), self.signal(7, "bob\0\0typing\0"),
      self.signal(7, "bob\0alice\0\0"), self.signal(7, "b b\0alice\0typing\0"),
      self.item(3, Array("\0d\0\u{1}".utf8)), self.item(3, Array("bob\0d d\0\u{1}".utf8)),
    ]
    for part in bad {
      #expect(
        self.texts([1] + part + self.three[1] + part + self.three[0])
          == [self.threeTexts[1], self.threeTexts[0]])
    }
  }

  @Test(
    "ends where a length points beyond it", arguments: [100, 1 << 31, (1 << 32) - 1] as [UInt64])
  func hugeLength(length: UInt64) {
    let bytes: [UInt8] =
      [1] + self.three[1] + [1] + self.bigEndian(length, bytes: 4) + self.three[0]
    #expect(self.texts(bytes) == [self.threeTexts[1]])
  }

  @Test("is read from any bytes without harm")
  func fuzz() {
    var generator = SplitMix64(seed: 4)
    let whole: [UInt8] = [1] + self.three.joined()
    for _ in 0..<20_000 {
      var bytes = whole
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        bytes[Int.random(in: 0..<bytes.count, using: &generator)] =
          UInt8.random(in: 0...255, using: &generator)
      }
      _ = self.texts(bytes)
    }
  }
}
