import Foundation
import LocalRedis

/// One node's view of its cluster: the answer to CLUSTER NODES, and the content of its file.
struct ClusterView: Sendable {
  /// Name of this file in a node's directory.
  static let fileName = "nodes.conf"

  struct Node: Sendable, Hashable, CustomStringConvertible {
    let id: String
    let flags: Set<String>
    /// The id of the primary that this node replicates; nil for a primary.
    let primary: String?
    /// Higher epochs win where nodes disagree about the owner of a slot.
    let configEpoch: Int
    let isConnected: Bool
    let slots: [ClosedRange<Int>]

    var isSelf: Bool { flags.contains("myself") }
    var isPrimary: Bool { flags.contains("master") }
    /// Known permanently, connected, and believed to be alive.
    var isWell: Bool {
      isConnected && flags.isDisjoint(with: ["fail", "fail?", "handshake", "noaddr"])
    }

    func owns(_ slot: Int) -> Bool { slots.contains { $0.contains(slot) } }

    var description: String {
      let role = primary.map { "replica of \($0)" } ?? "primary of \(slots)"
      return "\(id), \(role), epoch \(configEpoch), \(flags.sorted().joined(separator: ","))"
    }
  }

  private(set) var nodes: [String: Node] = [:]

  /// The node that has this view.
  var myself: Node? { nodes.values.first(where: \.isSelf) }

  var highestEpoch: Int { nodes.values.map(\.configEpoch).max() ?? 0 }

  func owner(of slot: Int) -> Node? { nodes.values.first { $0.owns(slot) } }

  /// Parses one line per node:
  /// `ID ADDRESS FLAGS PRIMARY PINGED PONGED EPOCH LINK SLOT SLOT-SLOT [SLOT->-ID]…`.
  init(parsing text: String) {
    for line in text.split(whereSeparator: \.isNewline) {
      let words = line.split(separator: " ").map(String.init)
      // The file ends with a line of variables.
      guard words.count >= 8, words[0] != "vars" else { continue }
      nodes[words[0]] = Node(
        id: words[0],
        flags: Set(words[2].split(separator: ",").map(String.init)),
        primary: words[3] == "-" ? nil : words[3],
        configEpoch: Int(words[6]) ?? 0,
        isConnected: words[7] == "connected",
        slots: words[8...].compactMap(Self.slots))
    }
  }

  private static func slots(_ word: String) -> ClosedRange<Int>? {
    let bounds = word.split(separator: "-").map { Int($0) }
    guard let first = bounds.first ?? nil, let last = bounds.last ?? nil, first <= last
    else { return nil }
    return first...last
  }
}
