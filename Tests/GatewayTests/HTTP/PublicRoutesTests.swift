import HTTPServer
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
    for path in ["/", "/index.html", "/page.css", "/page.js", "/connect/index.js"] {
      #expect(self.response(path).status == .notFound)
      let response = self.response(path, demo: true)
      #expect(response.status == .ok)
      #expect(response.body.readableBytes > 0)
      #expect(response.headers.contains { $0.0 == "content-security-policy" })
    }
    #expect(self.response("/page.js/", demo: true).status == .notFound)
    #expect(self.response("/connect/", demo: true).status == .notFound)
    #expect(self.response("/connect/package.json", demo: true).status == .notFound)
    #expect(self.response("/readyz", demo: true).status == .notFound)
  }
}
