import Crypto
import Redis

/// A Lua script from `Scripts/`, called by the SHA-1 of its text.
///
/// Scripts serve only where a comparison must precede a write, and never on the path of a message.
package struct Script: Sendable {
  static let removeSession = Script(PackageResources.remove_session_lua)
  static let beginSession = Script(PackageResources.begin_session_lua, library: Self.comparingIDs)

  /// Library: `below(left, right)` compares ids of a stream.
  package static let comparingIDs = PackageResources.compare_ids_lua
  /// Library: `displace(cursor, session, maximum, own)` forgets devices beyond a maximum.
  package static let displacingDevices = PackageResources.displace_devices_lua

  let source: String
  package let sha1: String

  /// - Parameter library: functions that it calls. They go behind its first line, which says what the
  ///   script may do.
  package init(_ source: [UInt8], library: [UInt8] = []) {
    let body = source.firstIndex(of: UInt8(ascii: "\n"))! + 1
    let whole = source[..<body] + library + source[body...]
    self.source = String(decoding: whole, as: UTF8.self)
    self.sha1 = Insecure.SHA1.hash(data: whole).map { byte in
      String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
    }.joined()
  }
}

extension RedisBatch {
  /// `EVAL`: a call of a script that brings the text along, for what is called seldom.
  ///
  /// - Parameter keys: all of one slot.
  @discardableResult
  package mutating func evaluate(
    _ script: Script, keys: [RedisKey], _ arguments: String...
  ) -> Reply<Void> {
    let words = ["EVAL", script.source, "\(keys.count)"] + keys.map { "\($0)" } + arguments
    return self.append(key: keys.first, words: words)
  }
}
