import ConnectProtocol
import ConnectTestStand
import Foundation
import TestSupport

/// A message as a backend posts it.
func message(
  _ id: String, from: String = "alice", to: String = "bob", body: String = "1", also: String = ""
) -> HTTPTestRequest {
  HTTPTestRequest(
    "POST", "/v1/messages",
    body: #"{"from":"\#(from)","to":"\#(to)","id":"\#(id)","body":\#(body)\#(also)}"#)
}

extension HTTPTestRequest {
  static func show(_ user: String) -> HTTPTestRequest {
    HTTPTestRequest("GET", "/v1/users/\(user)")
  }

  static func erase(_ user: String) -> HTTPTestRequest {
    HTTPTestRequest("DELETE", "/v1/users/\(user)")
  }

  static func disconnect(_ user: String, _ query: String = "") -> HTTPTestRequest {
    HTTPTestRequest("POST", "/v1/users/\(user)/disconnect\(query)")
  }
}

extension HTTPAnswer {
  /// The body, which must be one line of JSON.
  func json() throws -> [String: Any] {
    guard self["content-type"] == "application/json", self.body.hasSuffix("\n"),
      !self.body.dropLast().contains("\n"),
      let object = try JSONSerialization.jsonObject(with: Data(self.body.utf8)) as? [String: Any]
    else { throw TestFailure("not a line of JSON: \(self)") }
    return object
  }

  /// The code of a refusal.
  func code() throws -> String {
    let json = try self.json()
    guard let code = json["code"] as? String, let message = json["message"] as? String,
      !message.isEmpty, BackendCode(rawValue: code)?.status == self.status
    else { throw TestFailure("not a refusal: \(self)") }
    return code
  }

  /// The offset of a message that was taken.
  func offset() throws -> Offset {
    guard self.status == 202,
      let offset = try (self.json()["offset"] as? String).flatMap(Offset.init)
    else { throw TestFailure("the message was not taken: \(self)") }
    return offset
  }
}

extension TestStand {
  /// Runs a test with an API, without gateways unless it is told otherwise.
  static func withAPI(
    _ options: Options = Options(gateways: 0),
    _ body: (TestStand, RunningAPI) async throws -> Void
  ) async throws {
    try await Self.with(options) { stand in
      try await body(stand, try await stand.startAPI())
    }
  }
}
