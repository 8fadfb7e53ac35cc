/// The picture of a curve: CPU per message above, latency below. An earlier run is dashed.
enum CurveChart {
  static func chart(of report: CurveReport, comparedWith earlier: CurveReport?) -> Chart {
    let runs: [(report: CurveReport, suffix: String)] =
      [(report, "")] + (earlier.map { [($0, ", before")] } ?? [])
    func panel(
      _ title: String, _ curves: [(String, Chart.Series.Color, (CurveReport.Point) -> Double?)]
    ) -> Chart.Panel {
      Chart.Panel(
        title: title,
        series: runs.flatMap { run in
          curves.map { name, color, figure in
            Chart.Series(
              name: name + run.suffix, color: color, isDashed: !run.suffix.isEmpty,
              points: run.report.points.compactMap { point in
                figure(point).map {
                  Chart.Point(x: Double(point.rate), y: $0, isHollow: !point.isReached)
                }
              })
          }
        })
    }
    return Chart(
      title: "What a message costs, and how long it takes, over the rate",
      notes: Self.notes(report, earlier),
      xTitle: "messages per second",
      panels: [
        panel(
          "CPU per message, µs",
          [
            ("all", .black, { $0.cpuMicrosecondsPerMessage?.all }),
            ("gateways", .blue, { $0.cpuMicrosecondsPerMessage?.gateways }),
            ("messaging", .green, { $0.cpuMicrosecondsPerMessage?.messaging }),
            ("Redis", .red, { $0.cpuMicrosecondsPerMessage?.redis }),
          ]),
        panel(
          "latency, ms",
          [
            ("p50", .blue, { $0.latencyP50Milliseconds }),
            ("p99", .red, { $0.latencyP99Milliseconds }),
          ]),
      ])
  }

  private static func notes(_ report: CurveReport, _ earlier: CurveReport?) -> [String] {
    var notes = [
      "Connect \(report.version), \(report.connections) connections, bodies of \(report.bodyBytes) bytes",
      report.setup.text(), report.setup.machine.text,
    ]
    if let earlier {
      let differences = report.differences(from: earlier)
      notes.append(
        "before: Connect \(earlier.version), measured "
          + (differences.isEmpty ? "in the same way" : "otherwise:"))
      notes += differences
    }
    let reports = [report] + (earlier.map { [$0] } ?? [])
    if reports.contains(where: { $0.points.contains { !$0.isReached } }) {
      notes.append("hollow: a rate that was not reached")
    }
    return notes
  }
}
