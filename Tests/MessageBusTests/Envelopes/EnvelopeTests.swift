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

  @Test("keeps a position: of whom, for whom, how far")
  func position() {
    let position = Envelope.Position(delivered: offset(3, 4), read: offset(1, 2))
    let envelope = Envelope.Draft.position(
      of: UserName("bob")!, for: UserName("alice")!, position
    ).envelope
    #expect(envelope.kind == .position)
    #expect(envelope.flags == [])
    #expect(envelope.fromText == "bob")
    #expect(envelope.toText == "alice")
    #expect(envelope.recipient == UserName("alice"))
    #expect(envelope.position == position)
    #expect(envelope.original == nil)
    #expect(Envelope.Draft.message().envelope.position == nil)
  }

  @Test("keeps a copy: of whose message, its place, time and body")
  func sent() {
    for flags in [[], .quiet, .retry, [.quiet, .retry]] as [Envelope.Flags] {
      let envelope = Self.copy(at: offset(7, 8), flags: flags).envelope
      #expect(envelope.kind == .sent)
      #expect(envelope.flags == flags)
      #expect(envelope.recipient == UserName("alice"))
      #expect(envelope.fromText == "bob")
      #expect(envelope.idText == "m1")
      #expect(envelope.bodyText == "[1]")
      #expect(envelope.original?.peerOffset == offset(7, 8))
      #expect(envelope.original?.at == 9)
      #expect(envelope.position == nil)
    }
    #expect(Envelope.Draft.message().envelope.original == nil)
  }

  /// The copy of a message of alice to bob.
  private static func copy(
    at peerOffset: Offset, id: String = "m1", to: String = "bob", flags: Envelope.Flags = []
  ) -> Envelope.Draft {
    let body: StaticString = "[1]"
    return .sent(
      by: UserName("alice")!, to: UserName(to)!, id: MessageID(id)!, flags: flags,
      peerOffset: peerOffset, at: 9,
      body: UnsafeRawBufferPointer(start: body.utf8Start, count: body.utf8CodeUnitCount))
  }

  private static func dated(_ time: UInt64?, flags: Envelope.Flags = .retry) -> Envelope.Draft {
    let body: StaticString = "1"
    return .message(
      from: UserName("alice")!, to: UserName("bob")!, id: MessageID("m1")!, flags: flags,
      firstSent: time,
      body: UnsafeRawBufferPointer(start: body.utf8Start, count: body.utf8CodeUnitCount))
  }

  @Test("says when its message was first sent, on the bus but not in a mailbox")
  func dates() {
    for time in [0, 1_732_226_000_000, .max] as [UInt64] {
      let envelope = Self.dated(time, flags: [.retry, .quiet]).envelope
      #expect(envelope.firstSent == time)
      #expect(envelope.flags == [.retry, .quiet, .dated])
      #expect(envelope.idText == "m1")
      #expect(envelope.bodyText == "1")
      #expect(envelope.undated() == Self.dated(nil, flags: [.retry, .quiet]).array)
      let relocated = Envelope(ReplyBytes(envelope.relocated(from: offset(1, 2))))!
      #expect(relocated.firstSent == nil)
      #expect(relocated.flags == [.retry, .quiet, .relocated])
      #expect(relocated.origin(at: .zero) == offset(1, 2))
      #expect(relocated.bodyText == "1")
      #expect(relocated.isRepeat(of: envelope))
    }
    #expect(Self.dated(nil).envelope.firstSent == nil)
  }

  @Test("has its place on the bus before the time of its first attempt, where it has both")
  func relocatedAndDated() {
    let bytes: [UInt8] =
      [2, 1, 0b10_1100, 5, 3, 2] + [0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 6]
      + [0, 0, 0, 0, 0, 0, 0, 7] + Array("alicebobm11".utf8)
    let envelope = Envelope(ReplyBytes(bytes))!
    #expect(envelope.origin(at: .zero) == offset(5, 6))
    #expect(envelope.firstSent == 7)
    #expect(envelope.fromText == "alice")
    #expect(envelope.bodyText == "1")
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
    #expect(
      Self.dated(0x0102_0304_0506_0708).array
        == [2, 1, 0b10_0100, 5, 3, 2, 1, 2, 3, 4, 5, 6, 7, 8] + Array("alicebobm11".utf8))
    #expect(
      Self.copy(at: offset(0x0102_0304_0506_0708, 9), flags: .quiet).array
        == [1, 5, 0b1_0000, 3, 5, 2] + Array("bobalicem1".utf8)
        + [1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 9]
        + Array("[1]".utf8))
    let position = Envelope.Position(delivered: offset(1, 2), read: offset(3, 4))
    #expect(
      Envelope.Draft.position(of: UserName("bob")!, for: UserName("alice")!, position).array
        == [1, 4, 0, 3, 5, 0] + Array("bobalice".utf8)
        + [1, 2, 3, 4].flatMap { [0, 0, 0, 0, 0, 0, 0, $0] })
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
    let dated = Self.dated(1).array
    for count in 0...dated.count {
      let envelope = Envelope(ReplyBytes(Array(dated[..<count])))
      #expect((envelope != nil) == (count >= names + 8))
    }
    let position = Envelope.Draft.position(of: UserName("bob")!, for: UserName("a")!, .init())
    for (whole, bodyBytes) in [(Self.copy(at: offset(1)).array, 3), (position.array, 0)] {
      let end = whole.count - bodyBytes
      for count in 0...whole.count {
        let envelope = Envelope(ReplyBytes(Array(whole[..<count])))
        #expect((envelope != nil) == (count >= end))
      }
    }
  }

  @Test("is none of an unknown version or kind, or without one of the names")
  func unknown() {
    // Long enough for what any kind has before its body.
    let whole = Envelope.Draft.message(body: "\"0123456789012345678901234567890123456789\"").array
    func changed(_ index: Int, _ value: UInt8) -> Envelope? {
      var bytes = whole
      bytes[index] = value
      return Envelope(ReplyBytes(bytes))
    }
    // Releases before 0.4 would take a date for a part of the names.
    var dated = Self.dated(1).array
    for version in UInt8.min...UInt8.max {
      #expect((changed(0, version) != nil) == (version == 1))
      dated[0] = version
      #expect((Envelope(ReplyBytes(dated)) != nil) == (version == 2))
    }
    for kind in UInt8.min...UInt8.max {
      #expect((changed(1, kind) != nil) == (1...5).contains(kind))
    }
    for index in 3...5 {
      #expect(changed(index, 0) == nil)
      #expect(changed(index, 255) == nil)
    }
  }

  @Test("keeps flags that this release does not know")
  func unknownFlags() {
    var bytes = Envelope.Draft.message().array
    bytes[2] = 0xc0
    let envelope = Envelope(ReplyBytes(bytes))!
    #expect(envelope.flags.rawValue == 0xc0)
    #expect(envelope.relocated(from: offset(1))[2] == 0xc8)
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
    let failure = Array("mailbox_full".utf8).withUnsafeBytes { raw in
      Envelope.Draft.failed(
        recipient: UserName("alice")!, to: UserName("bob")!, id: MessageID("m1")!, code: raw
      ).envelope
    }
    #expect(!one.isRepeat(of: failure))
  }

  @Test("repeats another copy to the same recipient only if both are of the same place")
  func repeatedCopies() {
    let one = Self.copy(at: offset(1)).envelope
    #expect(one.isRepeat(of: Self.copy(at: offset(1), flags: [.retry, .quiet]).envelope))
    #expect(!one.isRepeat(of: Self.copy(at: offset(2)).envelope))
    #expect(!one.isRepeat(of: Self.copy(at: offset(1), id: "m2").envelope))
    #expect(!one.isRepeat(of: Self.copy(at: offset(1), to: "carol").envelope))
    #expect(!one.isRepeat(of: Envelope.Draft.message(from: "bob", to: "alice").envelope))
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
      if bytes.count > 1, Bool.random(using: &generator) {
        bytes[0...1] = [
          .random(in: 1...2, using: &generator), .random(in: 1...5, using: &generator),
        ]
      }
      guard let envelope = Envelope(ReplyBytes(bytes)) else { continue }
      let parts = [envelope.fromText, envelope.toText, envelope.idText, envelope.bodyText]
      let header =
        6 + (envelope.flags.contains(.relocated) ? 16 : 0)
        + (envelope.flags.contains(.dated) ? 8 : 0) + (envelope.position == nil ? 0 : 32)
        + (envelope.original == nil ? 0 : 24)
      if parts.reduce(header, { $0 + $1.utf8.count }) != bytes.count { Issue.record("\(bytes)") }
      _ = envelope.origin(at: .zero)
      _ = envelope.recipient
      _ = envelope.relocated(from: .zero)
      _ = envelope.undated()
      _ = envelope.firstSent
    }
  }
}
