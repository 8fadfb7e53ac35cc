import Settings
import Testing

@testable import ConnectBench

@Suite("Figures mean something")
struct SoundnessTests {
  @Test("only if no message was lost, repeated or reordered, or came from nobody")
  func sound() throws {
    try Soundness(Ledger.Totals(accepted: 5, refused: 1)).require()
    #expect(Soundness(Ledger.Totals(accepted: 5)).lines == [])
    for totals in [
      Ledger.Totals(accepted: 5, lost: 1), .init(accepted: 5, repeated: 1),
      .init(accepted: 5, reordered: 1), .init(accepted: 5, garbled: 1),
    ] {
      // Of another deployment, which nothing else makes good.
      var soundness = Soundness(Ledger.Totals(accepted: 5))
      soundness.add(totals)
      soundness.add(Ledger.Totals(accepted: 5))
      #expect(soundness.accepted == 15)
      let failure = #expect(throws: Failure.self) { try soundness.require() }
      #expect(failure?.kind == .running)
      #expect(soundness.lines.first?.hasPrefix("lost \(totals.lost), repeated ") == true)
    }
  }

  @Test("only if a message was accepted at all")
  func none() {
    let failure = #expect(throws: Failure.self) {
      try Soundness(Ledger.Totals(sent: 9, refused: 9)).require()
    }
    #expect(failure?.description.hasPrefix("no message was accepted") == true)
  }

  @Test("only if the load generator had time: from 90 % of a core on its share is flagged")
  func generator() {
    #expect(GeneratorShare.text(0.894) == "89 %" && GeneratorShare.text(0.9) == "90 % (!)")
    #expect(
      GeneratorShare.lines([0.1, 0.89]) == [] && GeneratorShare.lines([0.1, 0.95]).count == 1)
    let before = GeneratorShare.threadNanoseconds()
    var sum: UInt64 = 1
    for number in 0..<1_000_000 { sum &+= sum &* UInt64(number) }
    #expect(GeneratorShare.threadNanoseconds() > before, "\(sum)")
  }
}
