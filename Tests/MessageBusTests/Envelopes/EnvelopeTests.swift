import BusTestSupport
import ConnectProtocol
import Redis
import SeededRandom
import TestSupport
import Testing

@testable import MessageBus

@Suite("An envelope")
struct EnvelopeTests {
  @Test("keeps a message as it was, names of every length included", arguments: [1, 2, 64])
  func message(length: Int) {
    let from = String(repeating: "a", count: 2 * length)
    let to = String(repeating: "b", count: length)
    let id = String(repeating: "c", count: length)
    for flags in [Envelope.Flags(), .receipt, .copy, .retry, [.receipt, .copy, .retry]] {
      let envelope = Envelope.Draft.message(from: from, to: to, id: id, flags: flags).envelope
      #expect(envelope.kind == .message)
      #expect(envelope.flags == flags)
      #expect(envelope.fromText == from)
      #expect(envelope.toText == to)
      #expect(envelope.idText == id)
      #expect(envelope.bodyText == "\"hello\"")
      #expect(envelope.recipient == UserName(to))
    }
  }

  @Test("keeps a body of any size and any bytes", arguments: [0, 1, 255, 256, 65_536])
  func body(count: Int) {
    let body = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    let envelope = body.withUnsafeBytes { raw in
      Envelope.Draft.message(
        from: UserName("alice")!, to: UserName("bob")!, id: MessageID("1")!, flags: [], body: raw
      ).envelope
    }
    #expect(envelope.bytes.withUnsafeBytes { Array(envelope.body(in: $0)) } == body)
  }

  @Test("keeps a receipt: who acked, on which device, what")
  func delivered() {
    let envelope = Array("[\"m1\",\"m2\"]".utf8).withUnsafeBytes { raw in
      Envelope.Draft.delivered(
        by: UserName("bob")!, device: DeviceName("phone")!, to: UserName("alice")!, idsJSON: raw
      ).envelope
    }
    #expect(envelope.kind == .delivered)
    #expect(envelope.flags == [])
    #expect(envelope.fromText == "bob")
    #expect(envelope.toText == "alice")
    #expect(envelope.idText == "phone")
    #expect(envelope.bodyText == "[\"m1\",\"m2\"]")
  }

  /// Stored data: these bytes must be readable for ever.
  @Test("has exactly the documented bytes")
  func layout() {
    let bytes = Envelope.Draft.message(flags: [.receipt, .retry], body: "1").array
    #expect(bytes == [1, 1, 5, 5, 3, 2] + Array("alicebobm11".utf8))
    let relocated = Envelope(ReplyBytes(bytes))!.relocated(from: offset(0x0102_0304_0506_0708, 9))
    #expect(
      relocated
        == [1, 1, 13, 5, 3, 2, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 9]
        + Array("alicebobm11".utf8))
  }

  @Test("is none when it was cut before the end of its names, and has what is left of its body")
  func truncated() {
    let whole = Envelope.Draft.message().array
    let names = 6 + "alicebobm1".utf8.count
    for count in 0...whole.count {
      let envelope = Envelope(ReplyBytes(Array(whole[..<count])))
      #expect((envelope != nil) == (count >= names))
      let body = "\"hello\"".prefix(max(0, count - names))
      if let envelope { #expect(envelope.bodyText == body) }
    }
    let relocated = Envelope(ReplyBytes(whole))!.relocated(from: offset(1, 2))
    for count in 0...relocated.count {
      let envelope = Envelope(ReplyBytes(Array(relocated[..<count])))
      #expect((envelope != nil) == (count >= names + 16))
      if let envelope { #expect(envelope.origin(at: .zero) == offset(1, 2)) }
    }
  }

  @Test("is none of an unknown version or kind, or without one of the names")
  func unknown() {
    let whole = Envelope.Draft.message().array
    func changed(_ index: Int, _ value: UInt8) -> Envelope? {
      var bytes = whole
      bytes[index] = value
      return Envelope(ReplyBytes(bytes))
    }
    for version in UInt8.min...UInt8.max {
      #expect((changed(0, version) != nil) == (version == 1))
    }
    for kind in UInt8.min...UInt8.max {
      #expect((changed(1, kind) != nil) == (1...3).contains(kind))
    }
    for index in 3...5 {
      #expect(changed(index, 0) == nil)
      #expect(changed(index, 255) == nil)
    }
  }

  @Test("keeps flags that this release does not know")
  func unknownFlags() {
    var bytes = Envelope.Draft.message().array
    bytes[2] = 0xf0
    let envelope = Envelope(ReplyBytes(bytes))!
    #expect(envelope.flags.rawValue == 0xf0)
    #expect(envelope.relocated(from: offset(1))[2] == 0xf8)
  }

  @Test("keeps everything when it is relocated, even twice, and the origin given last")
  func relocated() {
    let original = Envelope.Draft.message(flags: [.receipt, .copy]).envelope
    #expect(original.origin(at: offset(5, 6)) == offset(5, 6))
    for origin in [offset(1, 2), .zero, offset(.max, .max)] {
      let once = Envelope(ReplyBytes(original.relocated(from: origin)))!
      #expect(once.origin(at: offset(5, 6)) == origin)
      let twice = Envelope(ReplyBytes(once.relocated(from: offset(3, 4))))!
      #expect(twice.origin(at: offset(5, 6)) == offset(3, 4))
      for envelope in [once, twice] {
        #expect(envelope.flags == [.receipt, .copy, .relocated])
        #expect(envelope.fromText == "alice")
        #expect(envelope.toText == "bob")
        #expect(envelope.idText == "m1")
        #expect(envelope.bodyText == "\"hello\"")
        #expect(envelope.isRepeat(of: original))
      }
      #expect(twice.bytes.count == once.bytes.count)
    }
  }

  @Test("repeats another of the same sender, id and kind, whatever else differs")
  func repeats() {
    let one = Envelope.Draft.message().envelope
    #expect(one.isRepeat(of: one))
    #expect(one.isRepeat(of: Envelope.Draft.message(flags: .retry, body: "2").envelope))
    #expect(!one.isRepeat(of: Envelope.Draft.message(from: "alic").envelope))
    #expect(!one.isRepeat(of: Envelope.Draft.message(id: "m").envelope))
    #expect(!one.isRepeat(of: Envelope.Draft.message(id: "m2").envelope))
    // The same bytes, cut elsewhere.
    #expect(
      !Envelope.Draft.message(from: "ab", id: "c").envelope
        .isRepeat(of: Envelope.Draft.message(from: "a", id: "bc").envelope))
    let receipt = Array("[]".utf8).withUnsafeBytes { raw in
      Envelope.Draft.delivered(
        by: UserName("alice")!, device: DeviceName("m1")!, to: UserName("bob")!, idsJSON: raw
      ).envelope
    }
    #expect(!one.isRepeat(of: receipt))
  }

  @Test("has no recipient when the name is not one")
  func badRecipient() {
    var bytes = Envelope.Draft.message().array
    bytes[6 + 5] = UInt8(ascii: "/")
    let envelope = Envelope(ReplyBytes(bytes))!
    #expect(envelope.recipient == nil)
  }

  @Test("is read from any bytes without harm")
  func fuzz() async {
    var generator = SplitMix64(seed: 3)
    for round in 0..<20_000 {
      if round % 50 == 0 { await Task.yield() }
      var bytes = (0..<Int.random(in: 0...80, using: &generator)).map { _ in
        UInt8.random(in: 0...20, using: &generator)
      }
      if bytes.count > 1, Bool.random(using: &generator) { bytes[0...1] = [1, 1] }
      guard let envelope = Envelope(ReplyBytes(bytes)) else { continue }
      let parts = [envelope.fromText, envelope.toText, envelope.idText, envelope.bodyText]
      let header = envelope.flags.contains(.relocated) ? 22 : 6
      if parts.reduce(header, { $0 + $1.utf8.count }) != bytes.count { Issue.record("\(bytes)") }
      _ = envelope.origin(at: .zero)
      _ = envelope.recipient
      _ = envelope.relocated(from: .zero)
    }
  }
}
