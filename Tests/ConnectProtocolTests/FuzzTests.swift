import ConnectProtocol
import Foundation
import SeededRandom
import Testing

/// Mutated frames, read by the scanner and by Foundation's `JSONSerialization`.
///
/// Of duplicate keys the last counts for both (`JSONDecoder` takes the first).
@Suite("Mutated frames")
struct FuzzTests {
  /// Enough mutants for every kind to occur, few enough for a debug build.
  static let mutants = 20_000

  static let seeds: [[UInt8]] = [
    #"{"type":"send","id":"m1","to":"bob","body":{"text":"hello","n":[1,-2.5e3,true,null]}}"#,
    #"{"type":"send","id":"01JD8ZQ4T9","to":"a@b.c","receipt":true,"copy":false,"body":"ж€😀"}"#,
    #"{ "body" : [ {} , [] , "" ] , "copy" : true , "to" : "x" , "id" : "y" , "type" : "send" }"#,
    #"{"type":"send","id":"m\u0031","to":"b","body":"\ud83d\ude00 \" \\ \/ \b\f\n\r\t \u00e9"}"#,
    #"{"type":"send","id":"m2","to":"bob","quiet":true,"retry":1732226000000,"body":0}"#,
    #"{"type":"read","peer":"bob","offset":"1732226000000-12","private":true,"id":"r1"}"#,
    #"{"type":"read","peer":"a@b.c","offset":"1-2"}"#,
    #"{"type":"conversations","id":"c1","limit":50,"before":"positions:17"}"#,
    #"{"type":"conversations","before":"1732226000000-12"}"#,
    #"{"type":"history","id":"h1","with":"bob","before":"1-2","limit":100}"#,
    #"{"type":"signal","to":"bob","name":"typing","id":"s1","body":{"on":true}}"#,
    #"{"type":"presence","id":"p1","users":["a@b.c","bob","bob"],"watch":true}"#,
    #"{"type":"ack","offset":"1732226000000-12"}"#,
    #"{"type":"ping","id":"p1"}"#,
    #"{"type":"ping"}"#,
    #"{"\u0074ype":"\u0070ing","i\u0064":"p\u0032","\/":"\n","\u006fffset":null}"#,
    #"{"type":"typing","to":"bob"}"#,
    #"{"a":{"b":{"c":[[[{"d":[0,1,2,{"e":"f"}]}]]]}},"type":"ping","id":null}"#,
  ].map { Array($0.utf8) }

  /// Bytes that JSON and UTF-8 give a meaning to.
  static let pieces: [[UInt8]] =
    [
      "{", "}", "[", "]", ",", ":", "\"", "\\", "0", "1", "-", "+", ".", "e", "E", " ", "\n", "t",
      "true", "false", "null", "\\u", "\\ud83d", "\\ude00", "\\u0000", "\"\"", "{}", "[]", "00",
      "\"type\":", "\"send\"", "\"id\":", "\"to\":", "\"body\":", "\u{1}", "/", "'", "é", "😀",
    ].map { Array($0.utf8) } + [[0x80], [0xC3], [0xE2, 0x82], [0xED, 0xA0, 0x80], [0xFF]]

  static func mutant(
    of seeds: [[UInt8]] = seeds, using generator: inout SplitMix64
  ) -> [UInt8] {
    var bytes = seeds.randomElement(using: &generator)!
    for _ in 0..<[1, 1, 1, 2, 3].randomElement(using: &generator)! {
      guard !bytes.isEmpty else { break }
      let position = Int.random(in: 0..<bytes.count, using: &generator)
      let end = min(bytes.count, position + Int.random(in: 1...6, using: &generator))
      switch Int.random(in: 0..<7, using: &generator) {
      case 0: bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
      case 1: bytes.remove(at: position)
      case 2: bytes.removeSubrange(position..<end)
      case 3: bytes.insert(contentsOf: pieces.randomElement(using: &generator)!, at: position)
      case 4: bytes.replaceSubrange(position..<end, with: pieces.randomElement(using: &generator)!)
      case 5:
        let target = Int.random(in: 0...bytes.count, using: &generator)
        bytes.insert(contentsOf: bytes[position..<end], at: target)
      default: bytes.removeSubrange(position...)
      }
    }
    return bytes
  }

  /// Where Foundation leaves RFC 8259, or goes beyond what the grammar says.
  static func foundationDiffers(on bytes: [UInt8]) -> Bool {
    let text = String(decoding: bytes, as: UTF8.self)
    // It takes commas before closing brackets.
    if text.contains(/,[ \t\r\n]*[\]}]/) { return true }
    // It takes a byte order mark, and from zero bytes it may guess UTF-16 or UTF-32.
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) || bytes.contains(0) { return true }
    // To it a whole number may have a sign, a fraction or an exponent, or too many digits for a
    // Double.
    let number = /"(retry|limit)"[ \t\r\n]*:[ \t\r\n]*(-|[0-9]+[.eE]|[0-9]{16})/
    if text.contains(number) { return true }
    // It refuses numbers that a Double cannot hold.
    return text.contains(/[eE][+-]?[0-9]{3}/)
  }

  @Test("are JSON to the scanner exactly when they are to Foundation")
  func agreementOnJSON() async {
    var generator = SplitMix64(seed: 2026)
    var accepted = 0
    for round in 0..<Self.mutants {
      if round % 50 == 0 { await Task.yield() }
      let bytes = Self.mutant(using: &generator)
      guard !Self.foundationDiffers(on: bytes) else { continue }
      let actual = bodyError(bytes) == nil
      accepted += actual ? 1 : 0
      #expect(actual == (JSONValue(bytes) != nil), "\(String(decoding: bytes, as: UTF8.self))")
    }
    #expect(accepted > Self.mutants / 20, "too few mutants are JSON to tell anything")
    #expect(accepted < Self.mutants * 19 / 20, "too few mutants are broken to tell anything")
  }

  @Test("are the frame or the error that a plain reading of Foundation's values makes them")
  func agreementOnFrames() async {
    var generator = SplitMix64(seed: 4711)
    var frames = 0
    for round in 0..<Self.mutants {
      if round % 50 == 0 { await Task.yield() }
      let bytes = Self.mutant(using: &generator)
      guard !Self.foundationDiffers(on: bytes) else { continue }
      let expected = PlainReading(bytes)
      let actual = PlainReading(scanning: bytes)
      frames += actual.isFrame ? 1 : 0
      // Which message broken JSON may be, Foundation cannot say.
      let isSame =
        JSONValue(bytes) == nil ? actual.errorKind == expected.errorKind : actual == expected
      #expect(isSame, "\(String(decoding: bytes, as: UTF8.self))")
    }
    #expect(frames > Self.mutants / 20, "too few mutants are frames to tell anything")
  }

  @Test("never trap as server frames either, and hold a body that is JSON")
  func serverFrames() async {
    let seeds = [
      #"{"type":"message","offset":"1-2","from":"bob","id":"m1","at":5,"body":{"a":[1,"ж"]}}"#,
      #"{"type":"sent","offset":"1-2","peerOffset":"3-4","to":"bob","id":"m1","at":5,"body":[1]}"#,
      #"{"type":"position","peer":"bob","delivered":"1-2","read":"1-1","mine":"3-4","stamp":5}"#,
      #"{"type":"position","peer":"bob","floor":"3-4","id":"r1","stamp":18446744073709551615}"#,
      #"{"type":"rejected","id":"m","code":"c","message":"é","retryable":true,"retryAfterMs":5}"#,
      #"{"type":"goodbye","code":1012,"reconnectAfterMs":500}"#,
      #"{"type":"welcome","user":"u","device":"d","connection":"c","gateway":"g","offset":"1-2","#
        + #""gap":false,"limits":{"frameBytes":1,"unacked":2,"sendsPerSecond":3,"#
        + #""requestsPerSecond":2,"signalsPerSecond":5},"pingSeconds":4,"#
        + #""positions":5,"floor":"1-1","now":6,"retentionSeconds":7}"#,
    ].map { Array($0.utf8) }
    var generator = SplitMix64(seed: 99)
    var frames = 0
    for round in 0..<Self.mutants {
      if round % 50 == 0 { await Task.yield() }
      let bytes = Self.mutant(of: seeds, using: &generator)
      guard let frame = try? serverFrame(bytes) else { continue }
      frames += 1
      #expect(bodyError(bytes) == nil)
      if case .message(let message) = frame {
        #expect(bodyError(Array(bytes[message.body])) == nil)
      }
      if case .sent(let sent) = frame { #expect(bodyError(Array(bytes[sent.body])) == nil) }
    }
    #expect(frames > Self.mutants / 20)
  }
}
