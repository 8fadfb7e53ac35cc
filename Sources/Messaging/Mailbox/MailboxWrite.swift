import ConnectProtocol

/// The write of a batch to a mailbox, and the mailbox's lengths in the same pipeline.
struct MailboxWrite: Hashable {
  let entries: Int
  let bytes: Int
  /// The offset of the last entry; zero if some were found there, or put above the top apart from the
  /// rest: then it is not known what lies between.
  let last: Offset
  /// Nil unless nothing was known of the mailbox when the batch began, and Redis told it.
  let lengthBefore: Int?
  let lengthAfter: Int
}
