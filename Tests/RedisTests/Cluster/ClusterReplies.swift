import NIOCore

@testable import Redis

/// Replies as bytes from a server, in order.
func parsed(_ text: String) throws -> RedisReplies {
  var reader = ReplyReader()
  let arena = ReplyArena(expecting: 1)
  reader.use(arena)
  try Array(text.utf8).withUnsafeBytes { try reader.feed($0) }
  while try reader.next() {}
  return RedisReplies(arena: arena, count: arena.roots.count, failure: nil)
}

/// A bulk string.
func bulk(_ text: String) -> String { "$\(text.utf8.count)\r\n\(text)\r\n" }

/// An array of what is encoded already.
func array(_ elements: String...) -> String { "*\(elements.count)\r\n" + elements.joined() }

/// A key whose slot is the one given, named after `name`.
func key(in slot: HashSlot, _ name: String) -> RedisKey {
  RedisKey("{\(tagsBySlot[slot.number]!)}\(name)")
}

/// A tag of each slot.
private let tagsBySlot: [Int: String] = {
  var tags: [Int: String] = [:]
  var number = 0
  while tags.count < HashSlot.count {
    tags[HashSlot(hashing: "\(number)").number] = "\(number)"
    number += 1
  }
  return tags
}()
