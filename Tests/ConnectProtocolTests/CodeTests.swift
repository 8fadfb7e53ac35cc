import ConnectProtocol
import Testing

@Suite("A code on the wire")
struct CodeTests {
  @Test("of rejections is one of the documented, some of them worth a retry")
  func rejections() {
    #expect(
      RejectionCode.allCases.map(\.rawValue) == [
        "malformed", "unknown_type", "too_large", "invalid_recipient", "invalid_id",
        "rate_limited", "overloaded", "unavailable", "draining",
      ])
    #expect(
      RejectionCode.allCases.filter(\.isRetryable) == [
        .rateLimited, .overloaded, .unavailable, .draining,
      ])
  }

  @Test("of failures is one of the documented")
  func failures() {
    #expect(FailureCode.allCases.map(\.rawValue) == ["mailbox_full", "unprocessable"])
  }

  @Test("of refusals goes with a status")
  func refusals() {
    let statuses = Dictionary(
      uniqueKeysWithValues: RefusalCode.allCases.map { ($0.rawValue, $0.status) })
    #expect(
      statuses == [
        "malformed": 400, "unauthorized": 401, "forbidden": 403, "not_found": 404,
        "upgrade_required": 426, "too_many_connections": 429, "header_too_large": 431,
        "draining": 503,
        "unavailable": 503,
      ])
  }

  @Test("of closes tells whether to come back")
  func closes() {
    let table: [(CloseCode, UInt16, CloseCode.Reconnect)] = [
      (.normal, 1000, .asTheAppLikes), (.goingAway, 1001, .yes),
      (.protocolError, 1002, .onceFixed), (.unsupportedData, 1003, .onceFixed),
      (.invalidPayload, 1007, .onceFixed), (.policyViolation, 1008, .afterPause),
      (.messageTooBig, 1009, .onceFixed), (.internalError, 1011, .withBackOff),
      (.restart, 1012, .whenTold), (.tryAgainLater, 1013, .withBackOff),
      (.tokenExpired, 4001, .withNewToken), (.replaced, 4002, .no), (.noPong, 4003, .yes),
      (.tooManyDevices, 4004, .no),
      (CloseCode(rawValue: 1006), 1006, .withBackOff),
      (CloseCode(rawValue: 4999), 4999, .withBackOff),
    ]
    for (code, number, reconnect) in table {
      #expect(code.rawValue == number)
      #expect(code.reconnect == reconnect)
      #expect(code.description == "\(number)")
    }
  }

  @Test("of the subprotocol never changes")
  func subprotocol() {
    #expect(Subprotocol.v1 == "connect.v1.json")
    #expect(Subprotocol.bearerPrefix == "connect.bearer.")
  }
}
