import ConnectProtocol
import Redis

extension Envelope {
  /// An envelope to be written; nothing is copied before it lies in the command's buffer.
  package struct Draft {
    var kind: Kind
    var flags: Flags
    var from: UserName
    var to: UserName
    var id: String
    var body: UnsafeRawBufferPointer

    /// A message. `body` must be one JSON value.
    package static func message(
      from: UserName, to: UserName, id: MessageID, flags: Flags, body: UnsafeRawBufferPointer
    ) -> Draft {
      Draft(kind: .message, flags: flags, from: from, to: to, id: id.text, body: body)
    }

    /// A receipt: `device` of `by` acked messages of `to`. `idsJSON` is a JSON array of their ids.
    package static func delivered(
      by: UserName, device: DeviceName, to: UserName, idsJSON: UnsafeRawBufferPointer
    ) -> Draft {
      Draft(kind: .delivered, flags: [], from: by, to: to, id: device.text, body: idsJSON)
    }

    /// Tells `to` that its message `id`, which was accepted, did not reach `recipient`.
    ///
    /// `code` must be a `FailureCode`, and outlive the draft.
    package static func failed(
      recipient: UserName, to: UserName, id: MessageID, code: UnsafeRawBufferPointer
    ) -> Draft {
      Draft(kind: .failed, flags: [], from: recipient, to: to, id: id.text, body: code)
    }

    package var byteCount: Int {
      Envelope.headerBytes + self.from.text.utf8.count + self.to.text.utf8.count
        + self.id.utf8.count + self.body.count
    }

    /// Fills `raw`, which has exactly ``byteCount`` bytes.
    package func write(to raw: UnsafeMutableRawBufferPointer) {
      raw[0] = Envelope.version
      raw[1] = self.kind.rawValue
      raw[2] = self.flags.rawValue
      var position = Envelope.headerBytes
      func add(_ name: String, lengthAt index: Int) {
        var name = name
        name.withUTF8 { utf8 in
          raw[index] = UInt8(utf8.count)
          UnsafeMutableRawBufferPointer(rebasing: raw[position...]).copyMemory(
            from: UnsafeRawBufferPointer(utf8))
          position += utf8.count
        }
      }
      add(self.from.text, lengthAt: 3)
      add(self.to.text, lengthAt: 4)
      add(self.id, lengthAt: 5)
      UnsafeMutableRawBufferPointer(rebasing: raw[position...]).copyMemory(from: self.body)
    }
  }

  /// The same envelope with the offset that it had on the bus, for a place in the mailbox that is
  /// not that offset.
  package func relocated(from origin: Offset) -> [UInt8] {
    self.bytes.withUnsafeBytes { raw in
      let names = raw[self.namesStart...]
      let count = Self.headerBytes + Self.originBytes + names.count
      return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
        let target = UnsafeMutableRawBufferPointer(buffer)
        target.copyMemory(from: UnsafeRawBufferPointer(rebasing: raw[..<Self.headerBytes]))
        target[2] = self.flags.union(.relocated).rawValue
        origin.writeBigEndian(to: target, at: Self.headerBytes)
        UnsafeMutableRawBufferPointer(
          rebasing: target[(Self.headerBytes + Self.originBytes)...]
        ).copyMemory(from: UnsafeRawBufferPointer(rebasing: names))
        initialized = count
      }
    }
  }
}
