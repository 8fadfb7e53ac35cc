import ConnectProtocol

extension RejectionCode {
  /// Whether the server may have taken the message nevertheless, so that sending it again is to be
  /// marked: it looks through the recipient's mailbox then, which is expensive after an outage.
  package var mayBeTaken: Bool {
    switch self {
    // Said before anything was tried.
    case .rateLimited, .overloaded, .draining: false
    case .unavailable: true
    case .malformed, .unknownType, .tooLarge, .invalidRecipient, .invalidID: false
    }
  }
}
