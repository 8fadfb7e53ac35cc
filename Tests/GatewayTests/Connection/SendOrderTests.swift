import ConnectProtocol
import ConnectTestStand
import SeededRandom
import Testing

@testable import Gateway

@Suite("Sends that were rejected")
struct SendOrderTests {
  private let bob = UserName("bob")!
  private let carol = UserName("carol")!
  private let later = SendOrder.Refusal(
    code: .overloaded, message: "", retryAfterMilliseconds: 0)

  private func id(_ number: Int) -> MessageID { MessageID("m\(number)")! }

  @Test("hold back what comes behind them to the same user, and only that")
  func holdsBack() {
    var order = SendOrder()
    let first = order.place(for: id(1), to: bob, now: 0)!
    order.rejected(id(1), to: bob, at: first, for: later, now: 0)
    #expect(order.place(for: id(2), to: bob, now: 1) == nil)
    #expect(order.place(for: id(3), to: carol, now: 1) != nil)
    #expect(order.place(for: id(2), to: bob, now: 2) == nil, "not before the first")
    #expect(order.place(for: id(1), to: bob, now: 3) != nil)
    #expect(order.place(for: id(4), to: bob, now: 4) == nil, "not before the second")
    #expect(order.place(for: id(2), to: bob, now: 5) != nil)
    #expect(order.place(for: id(4), to: bob, now: 6) != nil)
    #expect(order.place(for: id(5), to: bob, now: 7) != nil)
  }

  private func name(_ number: Int, to: UserName) -> SendOrder.Name {
    SendOrder.Name(to: to, id: self.id(number))
  }

  @Test("are waited for no longer once a copy tells the client that they were taken")
  func copied() {
    var order = SendOrder()
    let first = order.place(for: id(1), to: bob, now: 0)!
    order.rejected(id(1), to: bob, at: first, for: later, now: 0)
    #expect(order.place(for: id(2), to: bob, now: 1) == nil)
    order.copied(name(1, to: carol))
    #expect(order.place(for: id(3), to: bob, now: 2) == nil, "another message of the same id")
    order.copied(name(1, to: bob))
    #expect(order.place(for: id(1), to: bob, now: 2) != nil, "it was on its way")
    #expect(order.place(for: id(2), to: bob, now: 3) != nil)
    #expect(order.place(for: id(3), to: bob, now: 4) != nil)
    #expect(order.count == 0)
  }

  @Test("are not waited for where the copy came before the rejection, until copies are forgotten")
  func copiedBefore() {
    var order = SendOrder()
    let places = (1...2).map { order.place(for: id($0), to: bob, now: 0)! }
    order.copied(name(1, to: bob))
    order.rejected(id(1), to: bob, at: places[0], for: later, now: 0)
    order.rejected(id(2), to: bob, at: places[1], for: later, now: 0)
    #expect(order.count == 1)
    #expect(order.place(for: id(2), to: bob, now: 1) != nil)
    for number in 3..<3 + GatewayLimits.heldSends { order.copied(name(number, to: bob)) }
    let last = 2 + GatewayLimits.heldSends
    func isHeld(_ number: Int) -> Bool {
      let place = order.place(for: id(number), to: bob, now: 2)!
      order.rejected(id(number), to: bob, at: place, for: later, now: 2)
      defer { order.copied(name(number, to: bob)) }
      return order.count > 0
    }
    #expect(!isHeld(last))
    #expect(isHeld(1), "the oldest")
    order.forgetCopies()
    #expect(isHeld(last))
  }

  @Test("keep their places when they are rejected again")
  func keepPlaces() {
    var order = SendOrder()
    let places = (1...4).map { order.place(for: id($0), to: bob, now: 0)! }
    for number in 1...4 {
      order.rejected(id(number), to: bob, at: places[number - 1], for: later, now: 0)
    }
    let first = order.place(for: id(1), to: bob, now: 1)!
    let second = order.place(for: id(2), to: bob, now: 1)!
    order.rejected(id(1), to: bob, at: first, for: later, now: 2)
    order.rejected(id(2), to: bob, at: second, for: later, now: 2)
    #expect(order.place(for: id(3), to: bob, now: 3) == nil)
    for number in 1...4 { #expect(order.place(for: id(number), to: bob, now: 3) != nil) }
  }

  @Test("are given up when the client sends none of them again for a while")
  func givenUp() {
    var order = SendOrder()
    let first = order.place(for: id(1), to: bob, now: 0)!
    order.rejected(id(1), to: bob, at: first, for: later, now: 0)
    let hold = UInt64(GatewayLimits.holdRejectedMilliseconds) * 1_000_000
    #expect(order.place(for: id(2), to: bob, now: hold - 1) == nil)
    #expect(order.place(for: id(3), to: bob, now: hold) != nil, "however much it sent meanwhile")
  }

  @Test("leave nothing to remember when they are given up, nor do copies that are forgotten")
  func rest() {
    let late = UInt64(GatewayLimits.holdRejectedMilliseconds) * 1_000_000
    var order = SendOrder()
    #expect(order.isAtRest)
    let first = order.place(for: id(1), to: bob, now: 0)!
    #expect(order.isAtRest)
    order.rejected(id(1), to: bob, at: first, for: later, now: 0)
    order.forgetLate(now: late - 1)
    #expect(!order.isAtRest)
    order.readingStopped(now: late - 1)
    order.forgetLate(now: 2 * late)
    #expect(!order.isAtRest, "it may have been sent again, and not been read")
    order.readingResumed(now: 2 * late)
    order.forgetLate(now: 2 * late)
    #expect(!order.isAtRest)
    order.forgetLate(now: 3 * late)
    #expect(order.isAtRest)
    order.copied(name(2, to: bob))
    #expect(!order.isAtRest)
    order.forgetCopies()
    #expect(order.isAtRest)
  }

  @Test("are not given up while the client is not read")
  func readingResumed() {
    var order = SendOrder()
    let first = order.place(for: id(1), to: bob, now: 0)!
    let soon = SendOrder.Refusal(code: .overloaded, message: "", retryAfterMilliseconds: 500)
    order.rejected(id(1), to: bob, at: first, for: soon, now: 0)
    let hold = UInt64(GatewayLimits.holdRejectedMilliseconds) * 1_000_000
    let wait: UInt64 = 500_000_000
    for _ in 0..<10 {
      order.readingStopped(now: 1)
      order.readingResumed(now: 1)
    }
    order.readingStopped(now: hold)
    order.readingStopped(now: hold + 5)
    order.readingResumed(now: hold + 10)
    #expect(order.place(for: id(2), to: bob, now: hold + wait + 9) == nil)
    order.readingStopped(now: hold + wait + 9)
    let other = order.place(for: id(3), to: carol, now: hold + wait + 9)!
    order.rejected(id(3), to: carol, at: other, for: soon, now: 5 * hold)
    // What was rejected meanwhile is waited for as long as any other.
    order.readingResumed(now: 10 * hold)
    #expect(order.place(for: id(4), to: bob, now: 11 * hold + wait - 1) == nil)
    #expect(order.place(for: id(5), to: bob, now: 11 * hold + wait) != nil)
  }

  @Test("are remembered up to a number, and then only those may come")
  func full() {
    var order = SendOrder()
    for number in 0..<GatewayLimits.heldSends {
      #expect(order.isFull(for: id(number), to: bob, now: 0) == false)
      if number == 0 {
        let place = order.place(for: id(0), to: bob, now: 0)!
        order.rejected(id(0), to: bob, at: place, for: later, now: 0)
      } else {
        #expect(order.place(for: id(number), to: bob, now: 0) == nil)
      }
    }
    #expect(order.count == GatewayLimits.heldSends)
    let next = id(GatewayLimits.heldSends)
    #expect(order.isFull(for: next, to: bob, now: 1) == true)
    #expect(order.isFull(for: next, to: carol, now: 1) == true)
    #expect(order.isFull(for: id(0), to: bob, now: 1) == false)
    #expect(order.isFull(for: id(0), to: carol, now: 1) == true, "another message of the same id")
    #expect(order.place(for: id(0), to: bob, now: 2) != nil)
    #expect(order.isFull(for: next, to: bob, now: 3) == false)
    let hold = UInt64(GatewayLimits.holdRejectedMilliseconds) * 1_000_000
    #expect(order.place(for: next, to: bob, now: 4) == nil)
    #expect(order.isFull(for: id(5_000), to: bob, now: 2 + hold) == false, "all are given up")
  }

  @Test("never let a later message overtake, whatever is rejected and however often")
  func model() {
    for seed in 0..<200 {
      var random = SplitMix64(seed: UInt64(seed))
      var order = SendOrder()
      var waiting = (0..<40).map { $0 }
      var taken: [Int] = []
      var now: UInt64 = 0
      while !waiting.isEmpty {
        // The client has some in flight at a time, and sends in order what is not taken.
        var rejected: [Int] = []
        for number in waiting.prefix(Int.random(in: 1...8, using: &random)) {
          now += 1
          guard let place = order.place(for: id(number), to: bob, now: now) else {
            rejected.append(number)
            continue
          }
          if Int.random(in: 0..<3, using: &random) == 0 {
            order.rejected(id(number), to: bob, at: place, for: later, now: now)
            rejected.append(number)
          } else {
            taken.append(number)
          }
        }
        waiting.removeAll { taken.contains($0) }
      }
      #expect(taken == Array(0..<40))
    }
  }
}
