import Testing

@testable import ConnectBench

@Suite("A timeline")
struct TimelineTests {
  @Test("counts in each second since its moment, those without anything included")
  func perSecond() {
    var timeline = Timeline()
    timeline.note(3, at: .milliseconds(1_200))
    timeline.note(at: .milliseconds(1_999))
    timeline.note(5, at: .seconds(4))
    timeline.note(0, at: .seconds(9))
    #expect(timeline.perSecond == [0, 4, 0, 0, 5])
    #expect(timeline.count == 9)
    #expect(timeline.first == .milliseconds(1_200) && timeline.last == .seconds(4))
    let rows = Timeline.rows("delivered", of: timeline.perSecond)
    #expect(rows.prefix(3) == [["second", "delivered"], ["1", "0"], ["2", "4"]])
  }

  @Test("is empty until something happens")
  func empty() {
    let timeline = Timeline()
    #expect(timeline.perSecond.isEmpty && timeline.first == nil && timeline.last == nil)
  }
}
