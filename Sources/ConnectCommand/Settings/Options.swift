import ArgumentParser
import BackendAPI
import Foundation
import Gateway
import MessageBus
import Messaging
import Redis
import ServiceMetrics
import Settings

/// Options of all commands that use Redis: its address, login, and layout of data.
struct BusOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Where Redis is: redis[s]://[user[:password]@]host[:port][,…][/db]. rediss:// is TLS; \
      several hosts are nodes of one cluster. A password is better given as \
      CONNECT_REDIS_PASSWORD or as a file (default: redis://127.0.0.1:6379; `connect dev` starts \
      one of its own).
      """,
      valueName: "url"))
  var redisURL: String?

  @Option(help: "auto, single or cluster (default: auto, which asks the server).")
  var redisMode: String?

  @Option(help: "ACL user (default: the URL's, or the default user).")
  var redisUser: String?

  @Option(
    help: ArgumentHelp(
      "File with the password, read at each connect (or CONNECT_REDIS_PASSWORD).",
      valueName: "path"))
  var redisPasswordFile: String?

  @Option(
    help: ArgumentHelp(
      "PEM file of the CAs to trust with rediss:// (default: those of the system).",
      valueName: "path"))
  var redisCAFile: String?

  @Option(
    help: ArgumentHelp(
      "PEM file of the client certificate, if Redis wants one.", valueName: "path"))
  var redisCertFile: String?

  @Option(help: ArgumentHelp("PEM file of that certificate's key.", valueName: "path"))
  var redisKeyFile: String?

  @Flag(
    help: "For development only: trust any certificate (CONNECT_REDIS_TLS_INSECURE=true).")
  var redisTLSInsecure = false

  @Option(help: "Prefix of all keys (default: \(Keys.defaultPrefix)).")
  var keyPrefix: String?

  @Option(
    help: """
      Number of partitions (default: \(BusLimits.defaultPartitions)). Part of the data: the same for \
      every service, and not to be changed later.
      """)
  var partitions: String?

  var flags: [Setting: String] {
    [
      .redisURL: self.redisURL, .redisMode: self.redisMode, .redisUser: self.redisUser,
      .redisPasswordFile: self.redisPasswordFile, .redisCAFile: self.redisCAFile,
      .redisCertificateFile: self.redisCertFile, .redisKeyFile: self.redisKeyFile,
      .redisTLSInsecure: self.redisTLSInsecure ? "true" : nil, .keyPrefix: self.keyPrefix,
      .partitions: self.partitions,
    ].compactMapValues { $0 }
  }
}

/// Address of a second Redis, for commands that support two.
struct RegistryOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      A second Redis, for all that belongs to a user: sessions, mailboxes, cursors (default: none, \
      all is in one). The bus stays at --redis-url. Part of the data: the same for every service, \
      and not to be changed later. User, password and certificates are those of --redis-user and \
      so on; a user or password in this URL goes before them. What it is, a server or a cluster, \
      it is asked.
      """,
      valueName: "url"))
  var registryRedisURL: String?

  var flags: [Setting: String] {
    [.registryRedisURL: self.registryRedisURL].compactMapValues { $0 }
  }
}

/// Options of every long-running process.
struct ProcessOptions: ParsableArguments {
  @Option(help: "trace, debug, info, notice, warning, error or critical (default: info).")
  var logLevel: String?

  @Option(help: "text or json (default: text), to standard error.")
  var logFormat: String?

  var flags: [Setting: String] {
    [.logLevel: self.logLevel, .logFormat: self.logFormat].compactMapValues { $0 }
  }
}

/// Options of gateways, also in `connect dev`.
struct GatewayOptions: ParsableArguments {
  @Option(
    help: """
      Origins from which browsers may connect, separated by commas; https://*.example.com is all \
      hosts below example.com (default: all).
      """)
  var allowedOrigins: String?

  @Option(help: "Connections at most (default: \(GatewayLimits.connections)).")
  var maxConnections: String?

  @Option(
    help: "Sends per second and user (default: \(GatewayLimits.sendsPerSecond)); 0: no limit.")
  var sendsPerSecond: String?

  @Option(help: "Messages a client may leave unacked (default: \(GatewayLimits.unackedMessages)).")
  var unacked: String?

  @Option(
    help: """
      Devices of a user, connected or not, at most \(BusLimits.maximumDevices); a new one displaces \
      the one not seen for longest (default: \(BusLimits.devicesPerUser)).
      """)
  var devicesPerUser: String?

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

  var flags: [Setting: String] {
    [
      .allowedOrigins: self.allowedOrigins, .maximumConnections: self.maxConnections,
      .sendsPerSecond: self.sendsPerSecond, .unacked: self.unacked,
      .devicesPerUser: self.devicesPerUser, .frameBytes: self.frameBytes,
      .pingSeconds: self.pingSeconds, .drainSeconds: self.drainSeconds,
      .backlogLimit: self.backlogLimit,
    ].compactMapValues { $0 }
  }
}

/// The condition for a message to count as accepted. Both services need the same.
struct DurabilityOptions: ParsableArguments {
  @Option(
    help: """
      accepted, or replicated:N: a send is only accepted, and a message only delivered, when N \
      replicas have it too (default: accepted). The same for both services.
      """)
  var durability: String?

  var flags: [Setting: String] { [.durability: self.durability].compactMapValues { $0 } }
}

/// Options of messaging, also in `connect dev`.
struct MessagingOptions: ParsableArguments {
  @Option(
    help: """
      Seconds after which the partitions of an instance that died are taken over (default: \
      \(MessagingLimits.leaseSeconds)). The same for every instance.
      """)
  var leaseSeconds: String?

  @Option(
    help:
      "How often an entry is tried before it is a dead letter (default: \(MessagingLimits.attempts))."
  )
  var attempts: String?

  @Option(
    help: """
      Messages in a mailbox beyond which new ones fail with mailbox_full (default: \
      \(MessagingLimits.mailboxEntries)).
      """)
  var mailboxLimit: String?

  @Option(
    help: """
      Bytes that a mailbox takes of Redis, beyond which new messages fail with mailbox_full \
      (default: \(MessagingLimits.mailboxBytes)).
      """)
  var mailboxBytes: String?

  @Option(
    help: """
      Acked messages that a mailbox keeps (default: \(MessagingLimits.mailboxHistoryEntries)).
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
      .mailboxLimit: self.mailboxLimit, .mailboxBytes: self.mailboxBytes,
      .historyLimit: self.historyLimit, .retentionDays: self.retentionDays,
    ].compactMapValues { $0 }
  }
}

struct APIOptions: ParsableArguments {
  @Option(
    help: """
      host:port of the internal HTTP API for backends, which needs a service token; 'off' for none \
      (default: off).
      """)
  var apiListen: String?

  @Option(
    help: ArgumentHelp(
      """
      File with the service tokens, one per line, each of at least \(BackendAPILimits.tokenBytes) \
      characters (or CONNECT_SERVICE_TOKEN). Any of them is taken.
      """,
      valueName: "path"))
  var serviceTokenFile: String?

  var flags: [Setting: String] {
    [.apiListen: self.apiListen, .serviceTokenFile: self.serviceTokenFile].compactMapValues { $0 }
  }
}

/// Limits that gateways and the API for backends share. Both need the same.
struct APILimitOptions: ParsableArguments {
  @Option(help: "Largest body of a request in bytes (default: \(BackendAPILimits.bodyBytes)).")
  var frameBytes: String?

  @Option(
    help: """
      Entries in a partition above which messages to it are refused as overloaded (default: \
      \(BusLimits.backlogEntries)).
      """)
  var backlogLimit: String?

  var flags: [Setting: String] {
    [.frameBytes: self.frameBytes, .backlogLimit: self.backlogLimit].compactMapValues { $0 }
  }
}

/// Options of a service that is a process of its own.
struct InstanceOptions: ParsableArguments {
  @Option(help: "Name of this instance: \(InstanceID.alphabet) (default: a new one each start).")
  var instanceID: String?

  @Option(help: "host:port, or a host, for /healthz, /readyz and /metrics; 'off' for none.")
  var managementListen: String?

  @Option(
    help: """
      emf: write what CloudWatch makes metrics of to standard output, a line each interval; off \
      (default: off).
      """)
  var metricsLog: String?

  @Option(
    help: "CloudWatch's namespace of these (default: \(MetricsLimits.logNamespace)).")
  var metricsNamespace: String?

  @Option(help: "The interval in seconds (default: \(MetricsLimits.logSeconds)).")
  var metricsLogSeconds: String?

  var flags: [Setting: String] {
    [
      .instanceID: self.instanceID, .managementListen: self.managementListen,
      .metricsLog: self.metricsLog, .metricsNamespace: self.metricsNamespace,
      .metricsLogSeconds: self.metricsLogSeconds,
    ].compactMapValues { $0 }
  }
}
