import Foundation

/// A drawing of curves in panels one below the other, which share their horizontal axis. All axes are
/// logarithmic.
struct Chart {
  struct Point: Hashable {
    let x: Double
    let y: Double
    /// Whether its dot is not filled: for a figure that is not like the others.
    var isHollow = false
  }

  struct Series {
    /// One colour for each thing, whichever run it is of: those of Okabe and Ito, which the colour-blind
    /// tell apart, too.
    enum Color: String {
      case black = "#000000"
      case blue = "#0072b2"
      case green = "#009e73"
      case red = "#d55e00"
    }

    let name: String
    let color: Color
    /// For an earlier run.
    var isDashed = false
    let points: [Point]
  }

  struct Panel {
    let title: String
    let series: [Series]
  }

  let title: String
  /// Lines below the title: what was measured on what.
  let notes: [String]
  /// What the horizontal axis counts.
  let xTitle: String
  let panels: [Panel]

  /// Sizes, in pixels.
  private enum Size {
    static let width = 880.0
    static let left = 70.0
    /// Beside the panels, for the names of the curves.
    static let right = 190.0
    /// Above the first panel, without the notes.
    static let top = 48.0
    static let noteLine = 16.0
    static let bottom = 52.0
    static let panelHeight = 250.0
    /// Between two panels, with the title of the lower one.
    static let gap = 40.0
    static let text = 12.0
    static let legendLine = 18.0
    static let dot = 2.5
  }

  private var height: Double {
    let panels = Double(self.panels.count)
    return self.top + panels * Size.panelHeight + max(0, panels - 1) * Size.gap + Size.bottom
  }

  private var top: Double { Size.top + Double(self.notes.count) * Size.noteLine }

  private var xAxis: LogAxis {
    LogAxis(
      self.panels.flatMap { $0.series.flatMap { $0.points.map(\.x) } },
      from: Size.left, to: Size.width - Size.right)
  }

  /// An SVG document, without references to anything outside of it.
  func svg() -> String {
    let xAxis = self.xAxis
    var lines = [
      """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Self.number(Size.width)) \
      \(Self.number(self.height))" width="\(Self.number(Size.width))" \
      height="\(Self.number(self.height))" role="img" font-family="sans-serif" \
      font-size="\(Self.number(Size.text))">
      """,
      "<title>\(Self.escaped(self.title))</title>",
      "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>",
      Self.text(self.title, x: Size.left, y: 22, attributes: "font-size=\"16\""),
    ]
    lines += self.notes.enumerated().map { index, note in
      Self.text(
        note, x: Size.left, y: 40 + Double(index) * Size.noteLine, attributes: "fill=\"#555555\"")
    }
    for (index, panel) in self.panels.enumerated() {
      let top = self.top + Double(index) * (Size.panelHeight + Size.gap)
      lines += Self.draw(panel, xAxis, top: top)
    }
    let bottom = self.height - Size.bottom
    lines += xAxis.ticks.compactMap { tick in
      xAxis.position(tick).map {
        Self.text(
          LogAxis.label(tick), x: $0, y: bottom + 18, attributes: "text-anchor=\"middle\"")
      }
    }
    lines.append(
      Self.text(
        self.xTitle, x: (xAxis.start + xAxis.end) / 2, y: bottom + 38,
        attributes: "text-anchor=\"middle\""))
    lines.append("</svg>")
    return lines.joined(separator: "\n") + "\n"
  }

  private static func draw(_ panel: Panel, _ xAxis: LogAxis, top: Double) -> [String] {
    let bottom = top + Size.panelHeight
    let yAxis = LogAxis(
      panel.series.flatMap { $0.points.map(\.y) }, from: bottom, to: top)
    var lines = [
      self.text(panel.title, x: xAxis.start, y: top - 6, attributes: "font-weight=\"bold\"")
    ]
    for tick in xAxis.ticks {
      guard let x = xAxis.position(tick) else { continue }
      lines.append(self.line(x, top, x, bottom, color: "#e0e0e0"))
    }
    for tick in yAxis.ticks {
      guard let y = yAxis.position(tick) else { continue }
      lines.append(self.line(xAxis.start, y, xAxis.end, y, color: "#e0e0e0"))
      lines.append(
        self.text(
          LogAxis.label(tick), x: xAxis.start - 8, y: y + 4, attributes: "text-anchor=\"end\""))
    }
    lines.append(self.line(xAxis.start, bottom, xAxis.end, bottom, color: "#000000"))
    lines.append(self.line(xAxis.start, top, xAxis.start, bottom, color: "#000000"))
    for (index, series) in panel.series.enumerated() {
      lines += self.draw(series, xAxis, yAxis)
      let y = top + 12 + Double(index) * Size.legendLine
      let x = xAxis.end + 16
      lines.append(self.line(x, y, x + 26, y, color: series.color.rawValue, series.stroke))
      lines.append(self.text(series.name, x: x + 34, y: y + 4))
    }
    return lines
  }

  private static func draw(_ series: Series, _ xAxis: LogAxis, _ yAxis: LogAxis) -> [String] {
    let places = series.points.compactMap { point -> (x: String, y: String, isHollow: Bool)? in
      guard let x = xAxis.position(point.x), let y = yAxis.position(point.y) else { return nil }
      return (self.number(x), self.number(y), point.isHollow)
    }
    guard !places.isEmpty else { return [] }
    let color = series.color.rawValue
    let path = places.map { "\($0.x),\($0.y)" }.joined(separator: " ")
    return [
      "<polyline points=\"\(path)\" fill=\"none\" stroke=\"\(color)\" \(series.stroke)/>"
    ]
      + places.map {
        "<circle cx=\"\($0.x)\" cy=\"\($0.y)\" r=\"\(self.number(Size.dot))\" stroke=\"\(color)\" "
          + "fill=\"\($0.isHollow ? "#ffffff" : color)\"/>"
      }
  }

  // MARK: Elements

  private static func line(
    _ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, color: String, _ attributes: String = ""
  ) -> String {
    "<line x1=\"\(self.number(x1))\" y1=\"\(self.number(y1))\" x2=\"\(self.number(x2))\" "
      + "y2=\"\(self.number(y2))\" stroke=\"\(color)\" \(attributes)/>"
  }

  private static func text(
    _ text: String, x: Double, y: Double, attributes: String = ""
  ) -> String {
    "<text x=\"\(self.number(x))\" y=\"\(self.number(y))\" \(attributes)>\(self.escaped(text))</text>"
  }

  private static func number(_ number: Double) -> String {
    let text = String(format: "%.1f", number)
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
  }

  private static func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
  }
}

extension Chart.Series {
  fileprivate var stroke: String {
    self.isDashed
      ? "stroke-width=\"1.5\" stroke-dasharray=\"5 4\" stroke-opacity=\"0.7\""
      : "stroke-width=\"2\""
  }
}
