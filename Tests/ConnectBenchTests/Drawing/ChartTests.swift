import Testing

@testable import ConnectBench

@Suite("A chart")
struct ChartTests {
  @Test("has logarithmic axes from the tick below all values to the one above")
  func axis() {
    let axis = LogAxis([60, 1_100, 0], from: 100, to: 300)
    #expect(axis.lowest == 50 && axis.highest == 2_000)
    #expect(axis.ticks.map(LogAxis.label) == ["50", "100", "200", "500", "1,000", "2,000"])
    #expect(axis.position(50) == 100 && axis.position(2_000) == 300)
    let middle = axis.position((50.0 * 2_000).squareRoot())
    #expect(abs((middle ?? 0) - 200) < 0.001)
    #expect(axis.position(0) == nil)
  }

  @Test("has an axis for a value that is a tick itself, for small ones, and for none")
  func axes() {
    let one = LogAxis([0.2], from: 0, to: 1)
    #expect(one.lowest == 0.2 && one.highest == 0.5)
    #expect(one.ticks.map(LogAxis.label) == ["0.2", "0.5"])
    #expect(
      LogAxis([0.011, 0.03], from: 0, to: 1).ticks.map(LogAxis.label) == ["0.01", "0.02", "0.05"])
    #expect(LogAxis([], from: 0, to: 1).ticks.map(LogAxis.label) == ["1", "2", "5", "10"])
    #expect(LogAxis.label(1_000_000) == "1,000,000")
  }

  private static func chart(_ name: String = "all") -> Chart {
    Chart(
      title: "a < b & c", notes: ["note", "more"], xTitle: "x",
      panels: [
        .init(
          title: "first",
          series: [
            .init(
              name: name, color: .black,
              points: [
                .init(x: 10, y: 1), .init(x: 100, y: 0), .init(x: 1_000, y: 5, isHollow: true),
              ]),
            .init(name: "before", color: .black, isDashed: true, points: [.init(x: 10, y: 2)]),
            .init(name: "none", color: .red, points: []),
          ]),
        .init(
          title: "second", series: [.init(name: "p50", color: .blue, points: [.init(x: 10, y: 7)])]),
      ])
  }

  private static func count(_ part: String, in text: String) -> Int {
    text.split(separator: part, omittingEmptySubsequences: false).count - 1
  }

  @Test("draws each curve, dashed for an earlier run, without the points that have no place")
  func curves() {
    let svg = Self.chart().svg()
    #expect(svg.hasPrefix("<svg xmlns=") && svg.hasSuffix("</svg>\n"))
    #expect(Self.count("<polyline", in: svg) == 3)
    // Two of the first, without the 0.
    #expect(Self.count("<circle", in: svg) == 4)
    // The curve, and its line in the legend.
    #expect(Self.count("stroke-dasharray", in: svg) == 2)
    // From the lower left corner of the first panel to the upper right one: all are on its outermost ticks.
    #expect(svg.contains("<polyline points=\"70,330 690,80\""))
    #expect(Self.count("fill=\"#ffffff\"/>", in: svg) == 2, "the background, and a hollow dot")
    for text in ["first", "second", "before", "none", "p50", "note", "more"] {
      #expect(svg.contains(">\(text)</text>"), "\(text)")
    }
  }

  @Test("is one document, whatever its texts contain")
  func escaping() {
    let svg = Self.chart("<script>").svg()
    #expect(svg.contains("<title>a &lt; b &amp; c</title>"))
    #expect(!svg.contains("<script"))
    let opened = Self.count("<text", in: svg)
    #expect(opened > 10 && opened == Self.count("</text>", in: svg))
  }
}
