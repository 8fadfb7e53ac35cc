import ConnectProtocol
import Foundation
import Testing

@testable import BackendAPI

/// What needs no connection; `infra/api/frames.py` holds real frames against the document.
@Suite("The AsyncAPI document")
struct FrameDescriptionTests {
  private let components: [String: [String: Any]]

  init() throws {
    let data = Data(PackageResources.asyncapi_json)
    let document = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
    self.components = try #require(document["components"] as? [String: [String: Any]])
  }

  private func schema(_ name: String) throws -> [String: Any] {
    try #require(self.components["schemas"]?[name] as? [String: Any])
  }

  /// A property of a message.
  private func property(_ name: String, of message: String) throws -> [String: Any] {
    let message = try #require(self.components["messages"]?[message] as? [String: Any])
    let payload = try #require(message["payload"] as? [String: Any])
    let properties = try #require(payload["properties"] as? [String: [String: Any]])
    return try #require(properties[name])
  }

  @Test("has every code, and no other")
  func codes() throws {
    let rejections = try #require(try self.schema("RejectionCode")["enum"] as? [String])
    #expect(Set(rejections) == Set(RejectionCode.allCases.map(\.rawValue)))
    let failures = try #require(try self.schema("FailureCode")["enum"] as? [String])
    #expect(Set(failures) == Set(FailureCode.allCases.map(\.rawValue)))
  }

  @Test("tells the limits as they are")
  func limits() throws {
    for (name, most) in [
      ("UserName", UserName.maximumLength), ("DeviceName", DeviceName.maximumLength),
      ("MessageID", MessageID.maximumLength), ("Offset", Offset.maximumTextLength),
    ] {
      #expect(try self.schema(name)["maxLength"] as? Int == most)
    }
    let list = try self.property("limit", of: "conversationsRequest")
    #expect(list["maximum"] as? Int == ClientFrame.Conversations.maximumLimit)
    #expect(list["default"] as? Int == ClientFrame.Conversations.defaultLimit)
    let history = try self.property("limit", of: "historyRequest")
    #expect(history["maximum"] as? Int == ClientFrame.History.maximumLimit)
    #expect(history["default"] as? Int == ClientFrame.History.defaultLimit)
    let users = try self.property("users", of: "presenceRequest")
    #expect(users["maxItems"] as? Int == ClientFrame.Presence.maximumUsers)
    let id = try self.property("id", of: "ping")
    #expect(id["maxLength"] as? Int == ClientFrame.maximumPingIDLength)
    let body = try self.property("body", of: "signalRequest")["description"] as? String
    #expect(body?.contains("2,048 bytes") == (ClientFrame.Signal.maximumBodyBytes == 2_048))
  }

  @Test(
    "takes the names that are taken", arguments: ["UserName", "DeviceName", "MessageID"])
  func patterns(schema: String) throws {
    let pattern = try Regex(try #require(try self.schema(schema)["pattern"] as? String))
    for byte in UInt8(0)...127 {
      let text = String(decoding: [byte], as: UTF8.self)
      let isName =
        switch schema {
        case "UserName": UserName(text) != nil
        case "DeviceName": DeviceName(text) != nil
        default: MessageID(text) != nil
        }
      #expect((text.wholeMatch(of: pattern) != nil) == isName, "\(byte)")
    }
  }
}
