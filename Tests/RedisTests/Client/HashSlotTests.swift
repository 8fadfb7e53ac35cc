import Testing

@testable import Redis

@Suite("A key's cluster slot")
struct HashSlotTests {
  @Test(
    "is the one that the cluster specification and CLUSTER KEYSLOT give",
    arguments: [
      ("123456789", 0x31C3),  // The specification's own example.
      ("", 0), ("foo", 12_182), ("bar", 5_061), ("hello", 866), ("somekey", 11_058),
      ("user1000", 3_443),
    ])
  func knownValues(tag: String, slot: Int) {
    #expect(HashSlot(hashing: tag).number == slot % HashSlot.count)
  }

  @Test("is that of the key's tag, where it has one")
  func tags() {
    #expect(RedisKey(prefix: "foo", tag: "bar").slot == HashSlot(hashing: "bar"))
    #expect(RedisKey(prefix: "foo", tag: "bar").slot == RedisKey(prefix: "other:", tag: "bar").slot)
    #expect(RedisKey("foobar").slot == HashSlot(hashing: "foobar"))
  }

  @Test(
    "is told by what stands in the first braces of its name, if anything does",
    arguments: [
      ("{user1000}.following", "user1000"), ("{user1000}.followers", "user1000"),
      ("foo{}{bar}", "foo{}{bar}"), ("foo{{bar}}zap", "{bar"), ("foo{bar}{zap}", "bar"),
      ("foo}{bar}", "bar"), ("foo}bar{", "foo}bar{"), ("foo{bar", "foo{bar"), ("{}", "{}"),
      ("{a}", "a"), ("{é}x", "é"), ("", ""),
    ])
  func names(name: String, hashed: String) {
    #expect(HashSlot(ofKey: name) == HashSlot(hashing: hashed))
    #expect(RedisKey(name).slot == HashSlot(hashing: hashed))
  }

  @Test("agrees with a bit by bit CRC16 for bytes of every value")
  func againstBitwise() {
    func crc(_ text: String) -> Int {
      var crc = 0
      for byte in text.utf8 {
        crc ^= Int(byte) << 8
        for _ in 0..<8 { crc = crc & 0x8000 != 0 ? (crc << 1) ^ 0x1021 : crc << 1 }
        crc &= 0xffff
      }
      return crc % 16_384
    }
    for scalar in (0..<0x800).compactMap(Unicode.Scalar.init) {
      let text = "user:\(Character(scalar)):\(scalar.value)"
      #expect(HashSlot(hashing: text).number == crc(text))
    }
  }

  @Test("has an order")
  func order() {
    #expect(HashSlot(hashing: "") < HashSlot(hashing: "foo"))
    #expect(!(HashSlot(hashing: "foo") < HashSlot(hashing: "foo")))
  }
}

@Suite("A key")
struct RedisKeyTests {
  @Test(
    "is written as it reads",
    arguments: [
      (RedisKey(prefix: "connect:mailbox:", tag: "bob"), "connect:mailbox:{bob}"),
      (RedisKey(prefix: "", tag: "b"), "{b}"),
      (RedisKey("connect:deadletter"), "connect:deadletter"),
      (RedisKey(prefix: "ü:", tag: "é"), "ü:{é}"),
    ])
  func text(key: RedisKey, text: String) {
    #expect(key.description == text)
    #expect(key.byteCount == text.utf8.count)
    var batch = RedisBatch()
    batch.append(arguments: 1, key: key, bytes: key.byteCount) { $0.bulk(key) }
    let expected = "*1\r\n$\(text.utf8.count)\r\n\(text)\r\n"
    #expect(String(buffer: batch.bytes) == expected)
  }

  @Test("equals keys of the same parts only")
  func equality() {
    #expect(RedisKey(prefix: "a", tag: "b") == RedisKey(prefix: "a", tag: "b"))
    #expect(RedisKey(prefix: "a", tag: "b") != RedisKey(prefix: "a", tag: "c"))
    #expect(RedisKey(prefix: "a", tag: "b") != RedisKey(prefix: "c", tag: "b"))
  }
}
