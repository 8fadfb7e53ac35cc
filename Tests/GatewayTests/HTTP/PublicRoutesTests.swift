import HTTPServer
import NIOCore
import NIOHTTP1
import Testing

@testable import Gateway

@Suite("The routes of the public port")
struct PublicRoutesTests {
  private func response(
    _ target: String, _ method: HTTPMethod = .GET, demo: Bool = false
  ) -> PlainHTTPResponse {
    let head = HTTPRequestHead(
      version: .http1_1, method: method, uri: target, headers: ["host": "a"])
    do throws(Refusal) {
      return try PublicRoutes.response(to: head, servesDemoPage: demo)
    } catch {
      return error.response
    }
  }

  @Test("say that an upgrade is needed to connect, whatever the method and the query")
  func connect() {
    for method in [HTTPMethod.GET, .HEAD, .POST] {
      #expect(self.response("/v1/connect?device=a", method).status == .upgradeRequired)
    }
  }

  @Test("answer for health, with and without the demo page")
  func health() {
    #expect(self.response("/healthz").status == .ok)
    #expect(self.response("/healthz", .HEAD, demo: true).status == .ok)
    #expect(self.response("/healthz", .OPTIONS).status == .ok)
    #expect(self.response("/healthz", .POST).status == .badRequest)
  }

  @Test("have the demo page only where it is on, and each file with the policy")
  func demoPage() {
    for path in ["/", "/index.html", "/page.css", "/page.js", "/worker.js", "/connect/index.js"] {
      #expect(self.response(path).status == .notFound)
      let response = self.response(path, demo: true)
      #expect(response.status == .ok)
      #expect(response.body.readableBytes > 0)
      #expect(response.headers.contains { $0.0 == "content-security-policy" })
    }
    let policy = self.response("/worker.js", demo: true).headers.first {
      $0.0 == "content-security-policy"
    }
    #expect(policy?.1.contains("worker-src 'self';") == true)
    #expect(self.response("/page.js/", demo: true).status == .notFound)
    #expect(self.response("/connect/", demo: true).status == .notFound)
    #expect(self.response("/connect/package.json", demo: true).status == .notFound)
    #expect(self.response("/readyz", demo: true).status == .notFound)
  }

  @Test("have a service worker that names each file of the page, and its version")
  func worker() throws {
    let text = String(buffer: self.response("/worker.js", demo: true).body)
    let lines = text.split(separator: "\n", maxSplits: 2)
    let paths = try #require(lines.first?.firstMatch(of: /^const FILES = \[(.*)\];$/)?.1)
      .split(separator: ", ").map { $0.dropFirst().dropLast() }
    for path in ["/", "/page.css", "/page.js", "/connect/index.js"] {
      #expect(paths.contains { $0 == path }, "\(path)")
    }
    #expect(!paths.contains("/worker.js"))
    let version = try #require(lines[1].wholeMatch(of: /const VERSION = '([0-9a-f]{1,16})';/)?.1)
    for path in paths {
      let response = self.response(String(path), demo: true)
      #expect(response.status == .ok, "\(path)")
      // A worker takes nothing of another version.
      #expect(response.headers.contains { $0 == ("connect-page", String(version)) }, "\(path)")
    }
    // What a page imports is among them.
    for path in paths where path.hasSuffix(".js") {
      let source = String(buffer: self.response(String(path), demo: true).body)
      let folder = path[..<(path.lastIndex(of: "/") ?? path.startIndex)]
      for match in source.matches(of: /(?m)^(?:import|export|\}) [^'\n]*from '\.\/([^']+)'/) {
        #expect(paths.contains { $0 == "\(folder)/\(match.1)" }, "\(path) imports \(match.1)")
      }
    }
  }
}
