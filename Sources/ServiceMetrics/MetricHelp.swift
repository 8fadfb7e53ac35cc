/// The meaning of each metric of a process, in one place, and for Prometheus's `# HELP`. Names end
/// in their units. One that is not here has no `# HELP`; tests of the services find it.
package enum MetricHelp {
  /// By the metric's name.
  package static let texts: [String: String] = [
    "connect_build_info": "Always 1; the release of this process is a label.",
    "connect_connections": "WebSockets that are open on this gateway.",
    "connect_accepted_total": "Sends that are durable on the bus, and were answered so.",
    "connect_rejected_total": "Sends and other frames that were not taken, by code.",
    "connect_delivered_total": "Mailbox entries that were written to sockets.",
    "connect_accept_seconds": "From reading a send to its accepted.",
    "connect_deliver_seconds":
      "From the bus to the socket, for what was pushed; by the clocks of Redis and this machine.",
    "connect_backlog_entries": "Entries in the fullest partition of incoming.",
    "connect_refused_total": "HTTP requests to connect that were not upgraded, by code.",
    "connect_token_checks_total": "Requests to connect whose token was verified.",
    "connect_sockets":
      "TCP connections that are accepted and open, upgraded or not, by the port they came to.",
    "connect_accept_pauses_total":
      "How often a port stopped accepting: it had too many sockets, or descriptors ran short.",
    "connect_closed_total": "WebSockets that this gateway closed, by close code.",
    "connect_fallen_behind_total":
      "Pushes that a connection could not take: it reads its mailbox instead.",
    "connect_displaced_devices_total":
      "Devices that were forgotten, since their user had too many and they were away.",
    "connect_positions_told_total":
      "Positions that are durable on the bus: how far a user has what a peer has sent.",
    "connect_positions_delayed_total":
      "Positions that waited because their user's sends, reads and positions were too many.",
    "connect_signals_total": "Signals of clients that were taken to be passed on.",
    "connect_signals_delivered_total": "Signals that were written to sockets.",
    "connect_signals_dropped_total":
      "Signals that were passed on no further, by reason: offline, unavailable, late, slow.",
    "connect_requests_total": "Requests that were taken, by type.",
    "connect_request_entries_total":
      "Mailbox entries that were looked at for lists of conversations and for history.",
    "connect_watched_users": "Users whose presence connections of this gateway watch.",
    "connect_presence_looks_total":
      "Users whose sessions were read to tell whether they are online.",
    "connect_cursors_reset_total":
      "Devices that begin their mailbox again: where they were is above all that Redis can have.",
    "connect_stored_total":
      "Entries that were stored in mailboxes; one whose answer was lost counts as a repeat.",
    "connect_copies_total": "Copies of messages that were published for their senders.",
    "connect_copies_lost_total":
      "Copies for which their sender's mailbox had no room; the message itself is stored.",
    "connect_positions_moved_total": "Rows of users' positions that moved forward.",
    "connect_failed_total": "Accepted messages that could not be stored, by code.",
    "connect_dead_letters_total": "Entries that were set aside as dead letters.",
    "connect_repeats_total":
      "Repeats that were recognised and not stored again: of the bus, or of a client.",
    "connect_relocated_total":
      "Entries that came after a later one, and were stored under a new offset.",
    "connect_retry_lookups_total":
      "Mailboxes that were searched for messages sent again, once per batch.",
    "connect_retry_lookup_bytes_total": "Bytes of entries that those searches have read.",
    "connect_retry_lookups_cut_total":
      "Searches that ended at the limit of bytes or time, before all was seen.",
    "connect_leases": "Partitions that this instance owns.",
    "connect_partitions_unowned": "Partitions that nobody owns, as this instance sees it.",
    "connect_lag_entries": "Entries of a partition that its owner has not read yet.",
    "connect_pending_entries": "Entries of a partition that its owner has read and not finished.",
    "connect_oldest_age_seconds": "Age of the oldest unfinished entry of a partition.",
    "connect_api_seconds": "From the head of a request to the HTTP API to its answer, by route.",
    "connect_api_requests_total": "Requests to the HTTP API, by route and status.",
    "connect_redis_seconds": "From sending a batch of commands to its last reply.",
    "connect_redis_errors_total":
      "Batches that failed, and commands that Redis refused, by kind.",
    "process_cpu_seconds_total": "CPU time in user and kernel mode so far.",
    "process_start_time_seconds": "When the process started, in seconds since 1970.",
    "process_resident_memory_bytes": "Memory of the process that is in RAM.",
    "process_virtual_memory_bytes": "Size of the process's address space.",
    "process_open_fds": "File descriptors that are open.",
    "process_max_fds": "File descriptors that may be open: ulimit -n.",
  ]
}
