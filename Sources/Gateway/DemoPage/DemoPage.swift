import ConnectJS
import HTTPServer
import NIOCore

/// A page for trying a chat between two users; its files are part of the executable.
enum DemoPage {
  private static let policy = """
    default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; \
    connect-src 'self' ws: wss:; img-src 'self' data:; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'
    """

  private struct File {
    let contentType: String
    let bytes: [UInt8]

    static func script(_ bytes: [UInt8]) -> Self {
      Self(contentType: "text/javascript; charset=utf-8", bytes: bytes)
    }
  }

  /// What the page is made of, by path: its own files, and the modules of the client, which it imports from
  /// below `/connect/`.
  private static let files: [String: File] = {
    var files = [
      "/": File(contentType: "text/html; charset=utf-8", bytes: PackageResources.index_html),
      "/page.css": File(contentType: "text/css; charset=utf-8", bytes: PackageResources.page_css),
      "/page.js": .script(PackageResources.page_js),
      "/dom.js": .script(PackageResources.dom_js),
      "/messages.js": .script(PackageResources.messages_js),
      "/session.js": .script(PackageResources.session_js),
    ]
    for (path, bytes) in ConnectJS.modules { files["/connect/\(path)"] = .script(bytes) }
    return files
  }()

  private static let paths = DemoPage.files.keys.sorted()

  /// A hash of the paths and of what is there: FNV-1a of 64 bits, which only tells versions apart.
  private static let version: String = {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for path in DemoPage.paths {
      for bytes in [Array(path.utf8), DemoPage.files[path]?.bytes ?? []] {
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
      }
    }
    return String(hash, radix: 16)
  }()

  /// The service worker, which caches the files: with their paths, and with a hash of them, so that a browser
  /// takes another version for another worker.
  private static let worker: File = {
    let head = """
      const FILES = [\(DemoPage.paths.map { "'\($0)'" }.joined(separator: ", "))];
      const VERSION = '\(DemoPage.version)';

      """
    return .script(Array(head.utf8) + PackageResources.worker_js)
  }()

  /// The file at a path; nil if the page has none there.
  static func response(to path: Substring) -> PlainHTTPResponse? {
    switch path {
    case "/index.html": self.files["/"].map(self.response)
    case "/worker.js": self.response(self.worker)
    default: self.files[String(path)].map(self.response)
    }
  }

  private static func response(_ file: File) -> PlainHTTPResponse {
    PlainHTTPResponse(
      status: .ok, contentType: file.contentType,
      headers: [
        ("content-security-policy", self.policy),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-cache"),
        // By which the service worker tells the files of one version from those of another.
        ("connect-page", self.version),
      ],
      body: ByteBuffer(bytes: file.bytes))
  }
}
