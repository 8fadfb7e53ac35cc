import ConnectProtocol
import Listening
import MessageBus

/// # Gateway
///
/// Keeps the sockets of apps: authenticates, publishes what clients send to the bus, and delivers
/// what is theirs. It holds no state but its sockets.
///
/// - `HTTP/` is everything before the upgrade: routes, refusals, tokens.
/// - `Connection/` is one WebSocket: its handler, and the state machines that decide for it.
/// - `Delivery/` is the way from the gateway's `outgoing` stream to the sockets.
/// - `Presence/` is who is online, and who is told.
/// - `Positions/` is how far conversations are delivered and read: what peers are told, and what clients
///   are told.
/// - `Lists/` is what clients ask for of their mailboxes: the list of conversations, and history.
/// - `Loop/` is what all connections of one event loop share.
/// - `DemoPage/` is the page that `connect dev` shows.

/// Every limit and default of a gateway, each with its unit.
package enum GatewayLimits {
  /// The longest token, in bytes: half of all headers of a request, and several times what a backend
  /// makes.
  package static let tokenBytes = 8_192

  /// The latest time that a token may name, in seconds since 1970: the last second of the year
  /// 9999. A later time was meant in milliseconds.
  static let latestTokenSecond: Double = 253_402_300_799

  /// The largest frame that a client may send, in bytes.
  package static let frameBytes = 65_536

  /// Unacked messages of a client at which no more are sent to it.
  package static let unackedMessages = 256

  /// Sends that a user may make in a second, over all devices on one gateway, on average.
  ///
  /// A read costs as much, and so does a position that a peer is told: else acks of old messages under
  /// new device names could flood the bus.
  package static let sendsPerSecond = 100

  /// Sends that a user may make at once, as a multiple of ``sendsPerSecond``.
  package static let sendBurstSeconds = 2

  /// Sends of that burst that positions leave free unless they have waited, as the same multiple.
  package static let sendReserveSeconds = 1

  /// Sends marked `retry`, and reads of what a connection was not sent, that a user may make in a second,
  /// over all devices on one gateway: for each, a mailbox is searched. Nobody needs many of them but
  /// after a failure.
  package static let lookUpsPerSecond = 20

  /// The same at once: as many as a connection may leave behind unanswered, see ``heldSends``. They
  /// count among the sends as well.
  package static let lookUpsAtOnce = 1_024

  /// Requests for the list of conversations, for history and for presence that a user may make in a second,
  /// over all devices on one gateway, on average: each may look at hundreds of entries or users.
  package static let requestsPerSecond = 2

  /// Such requests at once, as a multiple of ``requestsPerSecond``.
  package static let requestBurstSeconds = 10

  /// Such requests of one connection that are not answered yet. They are served one by one; more are
  /// rejected as overloaded.
  package static let unansweredRequests = 16

  /// Signals that a user may pass on in a second, over all devices on one gateway, on average.
  package static let signalsPerSecond = 5

  /// Signals at once, as a multiple of ``signalsPerSecond``.
  package static let signalBurstSeconds = 4

  /// Signals of one event loop that Redis has not taken yet: at most 10 MB of them. More are rejected as
  /// overloaded.
  package static let unansweredSignals = 4_096

  /// Age, in milliseconds by the bus's clock, beyond which a signal is not passed on to a client: what it
  /// says may no longer hold.
  package static let signalMilliseconds: UInt64 = 6_000

  /// Users whose presence is watched by connections of one gateway. More are refused as overloaded. About
  /// 0.3 KiB each.
  package static let watchedUsers = 20_000

  /// Users whose presence is watched by the connections of one user on one gateway; those that several of them
  /// watch count once. More are refused as overloaded. Four devices may each watch the 100 others that a
  /// request may name, and it takes fifty users to fill ``watchedUsers``.
  package static let watchedUsersOfUser = 400

  /// Every watched user is looked up once in about this time, in seconds, however many watch it.
  package static let presenceSeconds = 15

  /// Sessions of closed connections that Redis could not remove yet, per event loop: tried again each second.
  /// Beyond, some stay until their device connects again or the gateway ends. 0.2 KiB each.
  static let unremovedSessions = 100_000

  /// Users whose presence is looked up at once; more wait. One request may go beyond.
  static let presenceLookUsers = 512

  /// Users in requests for presence that wait to be looked up, of one gateway. More are refused as
  /// overloaded.
  static let waitingPresence = 20_000

  /// How long a gateway that was seen alive is taken to be, in milliseconds, for the presence of users who
  /// are connected there.
  static let livingGatewayMilliseconds: Int64 = 5_000

  /// Users who have left or were idle for a while, and whose tokens are not all back, which takes at most
  /// ``lookUpsAtOnce`` / ``lookUpsPerSecond``: 51 s. Beyond so many, some of them get new ones.
  /// 0.3 KiB each.
  package static let restingBudgets = 100_000

  /// Budgets that each event loop looks at in a second, to forget those that are full again, at least.
  static let budgetLooksPerSecond = 2_000

  /// Seconds in which each event loop looks at all of them, however many there are.
  static let budgetRoundSeconds = 50

  /// Connections of an event loop that one turn of its clock visits, to ping them, unless a second has fewer. Each turn
  /// wakes up the loop and Redis.
  static let visitsPerTurn = 64

  /// Connections whose sessions are checked in one batch of Redis, in one turn of an event loop: of up to four commands
  /// each. More wait for the next turn, so that neither the batch nor what its failure tells at once grows with the
  /// connections of the loop.
  static let checksAtOnce = 256

  /// Malformed frames within one ping period after which a connection is closed with 1008.
  package static let badFrames = 10

  /// How often a client is pinged; below the 60 s after which an AWS load balancer, by default, cuts
  /// an idle connection. A client that is silent for two of these is closed with 4003.
  package static let pingSeconds = 25

  /// Entries of a mailbox that a connection's first read brings at most: few, since most replays are
  /// short. A full page doubles the next, up to ``maximumPageEntries``.
  package static let firstPageEntries = 16

  /// The largest such page.
  package static let maximumPageEntries = 128

  /// A page that the socket did not take whole, or that could not be read, halves the next, down to
  /// this.
  package static let smallestPageEntries = 2

  /// Mailbox reads that one event loop has under way at a time. More wait their turn, so that a
  /// crowd that reconnects costs no more memory than this many pages.
  package static let concurrentPages = 32

  /// Registrations that one event loop may have under way and read the newest entry of the mailbox in the next one,
  /// which spares a client that has all a page. In a crowd that reconnects the others read pages, which take turns.
  static let looksAtRegistration = 128

  /// Pages of lists and history that one event loop has under way at a time, beside these. More wait their
  /// turn, so that messages, whose commands wait for these pages in Redis and on the loop, wait for few of
  /// them, however many clients ask. With four, a hundred clients that asked for all they might still made the
  /// 99th percentile of others' messages four times as long.
  package static let concurrentRequestPages = 1

  /// The same for pages of at most ``firstRequestPageEntries``, beside those, which keep no turn for longer than
  /// they take: so a crowd that connects, and asks for lists of which it has read most, waits for little more than
  /// round trips.
  package static let concurrentSmallRequestPages = 2

  /// A page that is not small keeps its turn for so many times as long again as it took. So these have a third
  /// of the time at most.
  static let largePageRest: Int64 = 2

  /// Such pages that a user may have of these turns at once: two lists of which nothing is read. Any further ones
  /// have turns of their own, as many, that are kept for longer: see ``extraPageRest``.
  package static let largePagesAtOnce = 20

  /// The same in a second, over all devices on one gateway, on average.
  package static let largePagesPerSecond = 0.5

  /// As ``largePageRest``, for pages of users who have read many. So whoever asks all the time neither keeps
  /// waiting those who do not, nor hurts their messages: beside a hundred such users the 99th percentile of others'
  /// messages was 15 % longer than beside as many silent ones, and with 2 for all pages 33 to 46 %. In return these
  /// have a fifth as many answers.
  static let extraPageRest: Int64 = 20

  /// A page of lists or history that has no answer loses its turn after this time in milliseconds, or twice this
  /// at most: so a node that hangs does not keep the requests of all users waiting.
  package static let requestTurnMilliseconds: Int64 = 20

  /// Pages of each kind that may wait for an answer after they lost their turns. With as many, none is begun, so
  /// what comes at once when a node goes on has a bound.
  package static let overdueRequestPages = 8

  /// Bytes that may wait for one socket before pushes stop and the connection falls behind. What a
  /// client asked for itself (answers to sends) is bounded by not reading from it meanwhile.
  ///
  /// So what one client can make a gateway keep is bounded, however it behaves. With the defaults:
  ///
  /// | what | at most |
  /// | --- | --- |
  /// | bytes that wait in the channel: the mark, what one turn adds to it, a frame beyond the mark | 64 + 64 + 66 KiB |
  /// | answers to what one read of the socket brought, and to the sends under way | 64 + 220 KiB |
  /// | an unfinished frame, in a buffer that doubles | 132 KiB |
  /// | who is to be told of what is unacked (``unackedMessages``, 0.2 KiB each) | 50 KiB |
  /// | peers who wait to be told (``waitingPositions``, 0.5 KiB each) | 130 KiB |
  /// | reads that are not answered (``unansweredReads``, 0.3 KiB each), and peers told lately (``rememberedPeers``) | 80 + 200 KiB |
  /// | sends that were rejected for the moment (``heldSends``, 0.3 KiB each) | 300 KiB |
  /// | requests that are not answered (``unansweredRequests``, 0.4 KiB each), and an answer that is written | 7 + 66 KiB |
  /// | an answer that is put together, and for that the positions (0.25 KiB each) | 66 + 250 KiB |
  /// | answers to requests for presence (``unansweredRequests``, 20 KiB each), and changes that wait | 320 + 20 KiB |
  /// | positions that were read and not told yet (`BusLimits.positionsPerUser`, 0.25 KiB each) | 250 KiB |
  /// | all | 2.3 MiB |
  ///
  /// The bodies of its sends under way come on top, while Redis does not answer: at most
  /// ``unansweredSendBytes`` for all clients of an event loop together.
  ///
  /// A client that merely stops reading and acking costs the first row, the fourth and the last:
  /// 0.5 MiB. The kernel's memory for the socket comes on top: ``sendBufferBytes`` and
  /// ``receiveBufferBytes``, twice each, so 0.25 MiB, of which a client that does not read was seen to
  /// take 0.12.
  package static let writeBufferHighBytes = 64 * 1024

  /// Waiting bytes below which a socket is written to again.
  package static let writeBufferLowBytes = 32 * 1024

  /// Unanswered sends of one event loop. More are rejected as overloaded.
  package static let unansweredSends = 16_384

  /// Bytes of these sends, approximately. More are rejected as overloaded.
  package static let unansweredSendBytes = 64 * 1024 * 1024

  /// Sends of one connection that are under way, or were rejected for the moment and have not come
  /// again: what comes behind a rejected one must wait for it, so that order holds. A connection that has
  /// as many is not read from while any of them is under way. When all are rejected, what comes again is
  /// taken, and anything else ends the connection: then the client sends all of them again, in order, on
  /// the next one.
  package static let heldSends = 1_024

  /// How long it waits for them beyond what the client was told to wait, in milliseconds in which the client is read,
  /// counted from the last that was tried. By a clock that shows full seconds, so it may be one second less or more.
  package static let holdRejectedMilliseconds = 6_000

  /// Time that an unavailable gateway tells clients to wait, in milliseconds. An overloaded one
  /// adds a random time up to as much again, so that its clients do not come back in step.
  package static let retryAfterMilliseconds = 1_000

  /// Peers of one connection who wait to be told how far it has got, since the bus is away or the user may
  /// send no more for now. Where there are as many, with those who come on top with what is unacked,
  /// messages wait as well.
  package static let waitingPositions = 256

  /// Peers of one connection that it remembers for up to a second, to tell each of them no more than once
  /// in that time. Beyond, some are told more often. 0.2 KiB each.
  static let rememberedPeers = 1_024

  /// Reads of one connection that are not answered yet. More are refused as overloaded.
  package static let unansweredReads = 256

  /// Entries of the mailbox that are looked at for a read above what the connection was sent, newest
  /// first: for a message of the peer that asks for a receipt, since without one the peer has no row to
  /// say that it is read. Clients name a message of the peer, so it is nearly always the first. If there is
  /// none among so many, the peer is told of the reading only if it has a row.
  package static let examinedEntries = 128

  /// Bytes of these entries: with as many, the look ends, too. They are counted after each page.
  package static let examinedBytes = 256 * 1024

  /// Entries of the first page of such a look. Each further one has twice as many, up to ``lookEntries``.
  static let firstLookEntries = 2

  /// Entries of the largest page.
  static let lookEntries = 16

  /// Entries of the mailbox that are looked at for one request for the list of conversations or for history,
  /// newest first. What lies below is told to further requests.
  package static let requestEntries = 512

  /// Bytes of these entries: with as many, the look ends, too. They are counted after each page, so one page
  /// of ``requestPageEntries`` may go beyond: 4 MiB, if its entries are as large as frames may be.
  package static let requestBytes = 512 * 1024

  /// Entries of the largest page of such a look. Half as many cost gateways a third more CPU time.
  static let requestPageEntries = 64

  /// Entries of the first page of such a look: few, since most lists and histories begin with what is on a
  /// screen.
  static let firstRequestPageEntries = 16

  /// How many times as many each further page has, up to ``requestPageEntries``, and to what
  /// ``requestBytes`` leaves if its entries are as large as those before.
  static let requestPageGrowth = 2

  /// Precision, in seconds, with which a device's cursor records when the device was last seen.
  package static let seenSeconds: Double = 86_400

  /// A send that is read from a socket while the loop's last tick is longer ago than this, in
  /// milliseconds, is not published: the process was stopped meanwhile, and the client may have sent
  /// it elsewhere.
  package static let pauseMilliseconds: Int64 = 5_000

  /// Ticks of the loop after a pause until what was sent before it is read: one to two seconds, in which the loop may
  /// be stopped once again, for less than ``pauseMilliseconds``.
  static let afterPauseTicks = 2

  /// Time from TCP's accept to a complete upgrade, in milliseconds.
  package static let handshakeMilliseconds: Int64 = 10_000

  /// Time that the other side has to answer a close, and to end the connection, in milliseconds.
  package static let closeMilliseconds: Int64 = 2_000

  /// How long is waited for the client to end the connection after an answer other than an upgrade, in
  /// milliseconds. Until then what it says is read and dropped: else it could lose the answer.
  static let lingerMilliseconds: Int64 = 2_000

  /// Header bytes of an HTTP request.
  package static let httpHeaderBytes = 16 * 1024

  /// Header fields of an HTTP request.
  package static let httpHeaderFields = 100

  /// Connections per gateway, a file descriptor each. More are refused with 429.
  package static let connections = 100_000

  /// Sockets beyond these, of requests that are not upgraded yet, or are refused. More wait to be
  /// accepted; and so they do before, if the process runs short of descriptors.
  package static let openingSockets = 1_024

  /// Pending TCP connections in the listener's queue.
  package static let listenBacklog: Int32 = 1_024

  /// How long a planned stop may take, in seconds. With the 10 s that stopping itself may take, it is
  /// within the two minutes that load balancers and orchestrators commonly allow.
  package static let drainSeconds = 100

  /// Upon a planned stop, so many connections are told to go in a second, over all event loops;
  /// more if the time would not suffice. Each comes back with a handshake and a read of its mailbox.
  package static let drainPerSecond = 200

  /// On a planned stop, clients are told to reconnect after a random time up to this.
  package static let reconnectSpreadMilliseconds = 1_000

  /// Time for the answers to the sends of a connection that was told to leave, in milliseconds.
  package static let answerMilliseconds: Int64 = 2_000

  /// Size of the first receive buffer of a socket, in bytes: as little as the allocator gives. NIO keeps it for as
  /// long as the socket lives; see ``ReceiveBuffers``.
  static let keptReceiveBufferBytes = 16

  /// Bytes that one read of a socket brings at most, before its upgrade.
  static let openingReadBytes = 1_024

  /// Bytes that one read of a WebSocket brings at most.
  static let readBytes = 16_384

  /// Size of the kernel's send buffer for a socket, in bytes. Left to itself the kernel lets it
  /// grow to 4 MB for a client that does not read (`net.ipv4.tcp_wmem`). Linux takes twice as much,
  /// since it counts what it keeps beside the bytes.
  ///
  /// So much can be on the way in one round trip. A fast reader on the same machine does not notice:
  /// 100 to 200 MB/s of a debug build either way.
  package static let sendBufferBytes = 64 * 1024

  /// Size of the kernel's receive buffer for a socket, in bytes: Linux takes twice as much here,
  /// too, and up to 6 MiB if left to itself.
  package static let receiveBufferBytes = 64 * 1024

  /// Reads of one socket in one turn of the loop: one, so that the answers to them are bounded, and
  /// no client takes the turn of the others.
  ///
  /// With more, NIO would keep as many buffers of ``openingReadBytes`` for each socket, and ``ReceiveBuffers`` could not
  /// prevent that.
  static let readsPerTurn: UInt = 1
}

package struct GatewayConfiguration: Sendable {
  package var host: String
  /// 0 takes a free port.
  package var port: Int
  /// Its id on the bus.
  package var id: InstanceID
  /// The keys that it shares with messaging.
  package var keys: Keys
  /// From where browsers may connect. A token is needed in any case, and
  /// is never sent by a browser of its own accord as a cookie is.
  package var allowedOrigins: AllowedOrigins
  /// Serves the demo page at `/`.
  package var servesDemoPage: Bool
  /// See ``GatewayLimits/frameBytes``.
  package var frameBytes = GatewayLimits.frameBytes
  /// See ``GatewayLimits/unackedMessages``.
  package var unackedMessages = GatewayLimits.unackedMessages
  /// See ``GatewayLimits/sendsPerSecond``.
  package var sendsPerSecond = GatewayLimits.sendsPerSecond
  /// See ``GatewayLimits/lookUpsPerSecond``; without a limit of sends there is none.
  package var lookUpsPerSecond = GatewayLimits.lookUpsPerSecond
  /// See ``GatewayLimits/lookUpsAtOnce``.
  package var lookUpsAtOnce = GatewayLimits.lookUpsAtOnce
  /// See ``GatewayLimits/requestsPerSecond``; 0 means no limit.
  package var requestsPerSecond = GatewayLimits.requestsPerSecond
  /// See ``GatewayLimits/largePagesPerSecond``.
  package var largePagesPerSecond = GatewayLimits.largePagesPerSecond
  /// See ``GatewayLimits/requestTurnMilliseconds``.
  package var requestTurnMilliseconds = GatewayLimits.requestTurnMilliseconds
  /// See ``GatewayLimits/signalsPerSecond``; 0 means no limit.
  package var signalsPerSecond = GatewayLimits.signalsPerSecond
  /// See ``GatewayLimits/watchedUsers``.
  package var watchedUsers = GatewayLimits.watchedUsers
  /// See ``GatewayLimits/watchedUsersOfUser``.
  package var watchedUsersOfUser = GatewayLimits.watchedUsersOfUser
  /// See ``GatewayLimits/presenceSeconds``.
  package var presenceSeconds = GatewayLimits.presenceSeconds
  /// See ``GatewayLimits/pingSeconds``.
  package var pingSeconds = GatewayLimits.pingSeconds
  /// See ``GatewayLimits/connections``.
  package var maximumConnections = GatewayLimits.connections
  /// Limits the sockets of all ports of the process together.
  package var socketBudget = SocketBudget.process
  /// See ``GatewayLimits/drainSeconds``; 0 closes all connections at once.
  package var drainSeconds = GatewayLimits.drainSeconds
  /// See ``GatewayLimits/drainPerSecond``.
  package var drainPerSecond = GatewayLimits.drainPerSecond
  /// See ``GatewayLimits/answerMilliseconds``.
  package var answerMilliseconds = GatewayLimits.answerMilliseconds
  /// See ``GatewayLimits/closeMilliseconds``.
  package var closeMilliseconds = GatewayLimits.closeMilliseconds
  /// See `BusLimits.devicesPerUser`; at most `BusLimits.maximumDevices`.
  package var devicesPerUser = BusLimits.devicesPerUser
  /// See `BusLimits.backlogEntries`.
  package var backlogEntries = BusLimits.backlogEntries
  /// Number of copies of a send that must exist before it is accepted.
  package var durability = Durability.accepted
  /// How long messaging keeps messages, in seconds. Must be equal to messaging's.
  package var retentionSeconds = BusLimits.mailboxRetentionSeconds

  package init(
    host: String, port: Int, id: InstanceID, keys: Keys, allowedOrigins: AllowedOrigins = .all,
    servesDemoPage: Bool = false
  ) {
    self.host = host
    self.port = port
    self.id = id
    self.keys = keys
    self.allowedOrigins = allowedOrigins
    self.servesDemoPage = servesDemoPage
  }

  var positionLimits: PositionLimits {
    PositionLimits(retentionSeconds: self.retentionSeconds)
  }

  var protocolLimits: ServerFrame.Limits {
    ServerFrame.Limits(
      frameBytes: self.frameBytes, unacked: self.unackedMessages,
      sendsPerSecond: self.sendsPerSecond, requestsPerSecond: self.requestsPerSecond,
      signalsPerSecond: self.signalsPerSecond)
  }
}
