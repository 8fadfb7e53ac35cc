import ArgumentParser
import Foundation
import Gateway
import MessageBus

/// Options of both services: where Redis is, and what lies in it.
struct BusOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Where Redis is: redis://[user[:password]@]host[:port][/database].",
      discussion:
        """
        Default: redis://127.0.0.1:6379; `connect dev` starts one of its own. A password is better \
        given as CONNECT_REDIS_URL.
        """,
      valueName: "url"))
  var redisURL: String?

  @Option(help: "Prefix of all keys (default: \(Keys.defaultPrefix)).")
  var keyPrefix: String?

  @Option(
    help: """
      Number of partitions (default: \(BusLimits.defaultPartitions)). Part of the data: the same for \
      every service, and not to be changed later.
      """)
  var partitions: String?

  var flags: [Setting: String] {
    [.redisURL: self.redisURL, .keyPrefix: self.keyPrefix, .partitions: self.partitions]
      .compactMapValues { $0 }
  }
}

/// Options of every process that runs for long.
struct ProcessOptions: ParsableArguments {
  @Option(help: "trace, debug, info, notice, warning, error or critical (default: info).")
  var logLevel: String?

  @Option(help: "text or json (default: text), to standard error.")
  var logFormat: String?

  var flags: [Setting: String] {
    [.logLevel: self.logLevel, .logFormat: self.logFormat].compactMapValues { $0 }
  }
}

/// Options of whoever checks or makes tokens.
struct AuthOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "File with the secret of HS256 tokens, at least \(Authenticator.minimumSecretBytes) bytes.",
      discussion: """
        Or the secret itself in CONNECT_AUTH_SECRET. Only the commands for development do without: \
        they use the one that `connect dev` made.
        """,
      valueName: "path"))
  var authSecretFile: String?

  var flags: [Setting: String] {
    [.authSecretFile: self.authSecretFile].compactMapValues { $0 }
  }
}

/// Options of gateways, in `connect dev` too.
struct GatewayOptions: ParsableArguments {
  @Option(help: "Origins from which browsers may connect, separated by commas (default: all).")
  var allowedOrigins: String?

  @Option(help: "Connections at most (default: \(GatewayLimits.connections)).")
  var maxConnections: String?

  @Option(
    help: "Sends per second and client (default: \(GatewayLimits.sendsPerSecond)); 0: no limit.")
  var sendsPerSecond: String?

  @Option(help: "Messages a client may leave unacked (default: \(GatewayLimits.unackedMessages)).")
  var unacked: String?

  @Option(help: "Largest frame in bytes (default: \(GatewayLimits.frameBytes)).")
  var frameBytes: String?

  @Option(help: "Seconds between pings (default: \(GatewayLimits.pingSeconds)).")
  var pingSeconds: String?

  @Option(
    help: """
      Seconds that a planned stop may take: connections are told to go, spread over them (default: \
      \(GatewayLimits.drainSeconds); `connect dev`: \(DevStand.drainSeconds)).
      """)
  var drainSeconds: String?

  @Option(
    help: """
      Entries in a partition above which sends to it are rejected as overloaded (default: \
      \(BusLimits.backlogEntries)).
      """)
  var backlogLimit: String?

  @Option(
    help: """
      accepted, or replicated:N: a send is only accepted when N replicas have it too (default: \
      accepted).
      """)
  var durability: String?

  var flags: [Setting: String] {
    [
      .allowedOrigins: self.allowedOrigins, .maximumConnections: self.maxConnections,
      .sendsPerSecond: self.sendsPerSecond, .unacked: self.unacked, .frameBytes: self.frameBytes,
      .pingSeconds: self.pingSeconds, .drainSeconds: self.drainSeconds,
      .backlogLimit: self.backlogLimit, .durability: self.durability,
    ].compactMapValues { $0 }
  }
}

/// Options of messaging, in `connect dev` too.
struct MessagingOptions: ParsableArguments {
  @Option(
    help: """
      Seconds after which the partitions of an instance that died are taken over (default: \
      \(BusLimits.leaseSeconds)). The same for every instance.
      """)
  var leaseSeconds: String?

  @Option(
    help: "How often an entry is tried before it is a dead letter (default: \(BusLimits.attempts))."
  )
  var attempts: String?

  @Option(
    help: """
      Messages in a mailbox beyond which new ones fail with mailbox_full (default: \
      \(BusLimits.mailboxEntries)).
      """)
  var mailboxLimit: String?

  @Option(
    help: """
      Acked messages that a mailbox keeps (default: \(BusLimits.mailboxHistoryEntries)).
      """)
  var historyLimit: String?

  @Option(
    help: """
      Days after which messages are removed, acked or not, and devices are forgotten that were not \
      seen (default: \(BusLimits.mailboxRetentionSeconds / 86_400)).
      """)
  var retentionDays: String?

  var flags: [Setting: String] {
    [
      .leaseSeconds: self.leaseSeconds, .attempts: self.attempts,
      .mailboxLimit: self.mailboxLimit, .historyLimit: self.historyLimit,
      .retentionDays: self.retentionDays,
    ].compactMapValues { $0 }
  }
}

/// Options of a service that is a process of its own.
struct InstanceOptions: ParsableArguments {
  @Option(help: "Name of this instance: \(InstanceID.alphabet) (default: a new one each start).")
  var instanceID: String?

  @Option(help: "host:port for /healthz and /readyz; 'off' for none.")
  var managementListen: String?

  var flags: [Setting: String] {
    [.instanceID: self.instanceID, .managementListen: self.managementListen]
      .compactMapValues { $0 }
  }
}
