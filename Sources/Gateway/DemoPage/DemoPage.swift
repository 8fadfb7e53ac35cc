import ConnectJS
import HTTPServer
import NIOCore

/// A page for trying a chat between two users; its files are part of the executable.
enum DemoPage {
  private static let policy = """
    default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' ws: wss:; \
    img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'
    """

  /// The file at a path; nil if the page has none there.
  static func response(to path: Substring) -> PlainHTTPResponse? {
    switch path {
    case "/", "/index.html": file(PackageResources.index_html, "text/html; charset=utf-8")
    case "/page.css": file(PackageResources.page_css, "text/css; charset=utf-8")
    case "/page.js": self.script(PackageResources.page_js)
    case "/dom.js": self.script(PackageResources.dom_js)
    case "/messages.js": self.script(PackageResources.messages_js)
    case "/session.js": self.script(PackageResources.session_js)
    default: self.module(at: path)
    }
  }

  /// A module of the client for JavaScript, which the page imports from below `/connect/`.
  private static func module(at path: Substring) -> PlainHTTPResponse? {
    let prefix = "/connect/"
    guard path.hasPrefix(prefix) else { return nil }
    return ConnectJS.modules[String(path.dropFirst(prefix.count))].map(self.script)
  }

  private static func script(_ bytes: [UInt8]) -> PlainHTTPResponse {
    self.file(bytes, "text/javascript; charset=utf-8")
  }

  private static func file(_ bytes: [UInt8], _ contentType: String) -> PlainHTTPResponse {
    PlainHTTPResponse(
      status: .ok, contentType: contentType,
      headers: [
        ("content-security-policy", self.policy),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-cache"),
      ],
      body: ByteBuffer(bytes: bytes))
  }
}
