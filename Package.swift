// swift-tools-version: 6.2
import PackageDescription

/// `infra/test` sets this, so that a warning fails the build there but not a newcomer's build with
/// a newer compiler.
let strict = Context.environment["CONNECT_WARNINGS_AS_ERRORS"] != nil

let settings: [SwiftSetting] =
  [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  ] + (strict ? [.treatAllWarnings(as: .error)] : [])

/// Tests compile sooner unoptimized, even where what they test is optimized, as by `infra/test --all`.
let testSettings = settings + [.unsafeFlags(["-Onone"], .when(configuration: .release))]

let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioEmbedded = Target.Dependency.product(name: "NIOEmbedded", package: "swift-nio")
// Empty on Linux, and not built there.
let transportServices = Target.Dependency.product(
  name: "NIOTransportServices", package: "swift-nio-transport-services",
  condition: .when(platforms: [.macOS, .iOS]))
let metrics = Target.Dependency.product(name: "Metrics", package: "swift-metrics")
let coreMetrics = Target.Dependency.product(name: "CoreMetrics", package: "swift-metrics")
let concurrencyHelpers = Target.Dependency.product(
  name: "NIOConcurrencyHelpers", package: "swift-nio")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let deque = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let jwtKit = Target.Dependency.product(name: "JWTKit", package: "jwt-kit")
let lifecycle = Target.Dependency.product(
  name: "ServiceLifecycle", package: "swift-service-lifecycle")
let unixSignals = Target.Dependency.product(
  name: "UnixSignals", package: "swift-service-lifecycle")
let configuration = Target.Dependency.product(
  name: "Configuration", package: "swift-configuration")
let argumentParser = Target.Dependency.product(
  name: "ArgumentParser", package: "swift-argument-parser")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let x509 = Target.Dependency.product(name: "X509", package: "swift-certificates")
let asn1 = Target.Dependency.product(name: "SwiftASN1", package: "swift-asn1")
let histogram = Target.Dependency.product(name: "Histogram", package: "hdrhistogram-swift")

let package = Package(
  name: "connect",
  platforms: [.macOS(.v15), .iOS(.v18)],
  products: [
    .executable(name: "connect", targets: ["ConnectCommand"]),
    .executable(name: "connect-bench", targets: ["ConnectBench"]),
    .executable(name: "connect-cost", targets: ["ConnectCost"]),
    .library(name: "ConnectClient", targets: ["ConnectClient", "ConnectProtocol"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.0"),
    .package(url: "https://github.com/apple/swift-nio-transport-services.git", from: "1.28.0"),
    .package(url: "https://github.com/apple/swift-log.git", from: "1.6.3"),
    .package(url: "https://github.com/apple/swift-metrics.git", from: "2.13.0"),
    .package(url: "https://github.com/apple/swift-collections.git", from: "1.3.0"),
    .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-configuration.git", from: "1.4.0", traits: []),
    .package(
      url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
    .package(url: "https://github.com/vapor/jwt-kit.git", from: "5.7.1"),
    .package(url: "https://github.com/apple/swift-crypto.git", from: "4.1.0"),
    .package(url: "https://github.com/apple/swift-certificates.git", from: "1.15.0"),
    .package(url: "https://github.com/apple/swift-asn1.git", from: "1.5.0"),
    .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift.git", from: "0.2.0"),
  ],
  targets: [
    .systemLibrary(
      name: "CHiredis",
      providers: [.apt(["libhiredis-dev"]), .brew(["hiredis"])]),
    .systemLibrary(
      name: "COpenSSL", providers: [.apt(["libssl-dev"]), .brew(["openssl@3"])]),
    .target(
      name: "SocketErrors", dependencies: [nioCore, nioPosix], swiftSettings: settings),
    .target(name: "TLS", dependencies: ["COpenSSL", nioCore], swiftSettings: settings),
    .target(
      name: "Redis",
      dependencies: [
        "CHiredis", "TLS", "SocketErrors", concurrencyHelpers, nioCore, nioPosix, logging, metrics,
        deque,
      ],
      swiftSettings: settings),
    .target(name: "ConnectProtocol", dependencies: [nioCore], swiftSettings: settings),
    .target(name: "WebSocket", dependencies: [nioCore], swiftSettings: settings),
    .target(
      name: "MessageBus", dependencies: ["Redis", "ConnectProtocol", nioCore, crypto, logging],
      resources: [.embedInCode("Scripts")],
      swiftSettings: settings),
    .target(
      name: "ServiceMetrics", dependencies: [coreMetrics, concurrencyHelpers, lifecycle],
      swiftSettings: settings),
    .target(
      name: "Listening",
      dependencies: [concurrencyHelpers, nioCore, nioPosix, nioHTTP1, logging, metrics],
      swiftSettings: settings),
    .target(
      name: "HTTPServer",
      dependencies: [
        "Listening", "SocketErrors", concurrencyHelpers, nioCore, nioPosix, nioHTTP1, lifecycle,
        logging, deque,
      ],
      swiftSettings: settings),
    .target(
      name: "BackendAPI",
      dependencies: [
        "MessageBus", "Inspection", "Redis", "ConnectProtocol", "HTTPServer", concurrencyHelpers,
        nioCore, nioHTTP1, deque, crypto, lifecycle, logging,
      ],
      resources: [.embedInCode("Description"), .embedInCode("Scripts")],
      swiftSettings: settings),
    .target(
      name: "Inspection", dependencies: ["MessageBus", "Redis", "ConnectProtocol", nioCore],
      swiftSettings: settings),
    .target(
      name: "Messaging",
      dependencies: [
        "MessageBus", "Inspection", "Redis", "ConnectProtocol", concurrencyHelpers, nioCore,
        lifecycle,
        logging, metrics,
      ],
      resources: [.embedInCode("Scripts")],
      swiftSettings: settings),
    .target(
      name: "ConnectJS",
      exclude: [
        "package.json", "README.md", "index.d.ts", "file-store.d.ts", "core/types.js",
        "store/file.js", "store/lockfile.js",
      ],
      resources: [
        .embedInCode("index.js"), .embedInCode("core"), .embedInCode("conversation"),
        .embedInCode("store"),
      ],
      swiftSettings: settings),
    .target(
      name: "Gateway",
      dependencies: [
        "MessageBus", "Redis", "ConnectProtocol", "WebSocket", "Listening", "HTTPServer",
        concurrencyHelpers, nioCore, nioPosix, nioHTTP1, jwtKit, lifecycle, logging,
        metrics, deque, "ConnectJS",
      ],
      resources: [.embedInCode("DemoPage/Page")],
      swiftSettings: settings),
    .target(
      name: "ConnectClient",
      dependencies: [
        "ConnectProtocol", "WebSocket", "SocketErrors",
        .target(name: "TLS", condition: .when(platforms: [.linux])), transportServices,
        concurrencyHelpers, nioCore, nioPosix, nioHTTP1, deque,
      ],
      swiftSettings: settings),
    .target(name: "LocalRedis", swiftSettings: settings),
    .target(
      name: "LocalCluster", dependencies: ["LocalRedis", crypto, x509, asn1],
      swiftSettings: settings),
    .target(name: "SeededRandom", swiftSettings: settings),
    .target(
      name: "Settings",
      dependencies: [
        "Gateway", "ConnectClient", "MessageBus", "Redis", "ConnectProtocol", argumentParser,
        configuration, logging,
      ],
      swiftSettings: settings),
    .executableTarget(
      name: "ConnectCommand",
      dependencies: [
        "Settings", "Gateway", "Messaging", "BackendAPI", "Inspection", "MessageBus", "Redis",
        "ConnectClient", "ConnectProtocol", "LocalRedis", "ServiceMetrics", "TLS", "HTTPServer",
        "SocketErrors", argumentParser, lifecycle, unixSignals, logging, metrics,
        concurrencyHelpers, nioCore, nioPosix, nioHTTP1,
      ],
      swiftSettings: settings),
    .executableTarget(
      name: "ConnectBench",
      dependencies: [
        "Settings", "LocalRedis", "LocalCluster", "ConnectClient", "ConnectProtocol", "Gateway",
        "Messaging", "MessageBus", "Redis", "SeededRandom", "ServiceMetrics", argumentParser,
        histogram, unixSignals, nioCore, nioPosix, logging, deque,
      ],
      swiftSettings: settings),
    .executableTarget(
      name: "ConnectCost",
      dependencies: [
        "Settings", "Gateway", "Messaging", "MessageBus", "Redis", "ConnectProtocol", "WebSocket",
        "ServiceMetrics", argumentParser, nioCore, nioEmbedded, logging,
      ],
      swiftSettings: settings),
    .target(
      name: "TestSupport",
      dependencies: [
        "LocalRedis", "LocalCluster", "Redis", "ConnectProtocol", "TLS", "SeededRandom", nioCore,
        nioPosix, logging, deque,
      ],
      path: "Tests/Support/TestSupport", swiftSettings: testSettings),
    .target(
      name: "BusTestSupport",
      dependencies: [
        "TestSupport", "MessageBus", "Redis", "ConnectProtocol", "LocalRedis", "LocalCluster",
        nioCore, nioPosix, logging,
      ],
      path: "Tests/Support/BusTestSupport", swiftSettings: testSettings),
    .target(
      name: "ConnectTestStand",
      dependencies: [
        "TestSupport", "Gateway", "Messaging", "BackendAPI", "MessageBus", "Redis",
        "ConnectProtocol", "WebSocket", "LocalRedis", "LocalCluster", concurrencyHelpers, nioCore,
        nioPosix, lifecycle, logging, metrics, deque, crypto,
      ],
      path: "Tests/Support/ConnectTestStand", swiftSettings: testSettings),
    .executableTarget(
      name: "LocalRedisParent", dependencies: ["LocalRedis", "LocalCluster"],
      path: "Tests/Support/LocalRedisParent", swiftSettings: testSettings),
    .testTarget(
      name: "ConnectProtocolTests", dependencies: ["ConnectProtocol", "SeededRandom", nioCore],
      swiftSettings: testSettings),
    .testTarget(
      name: "ServiceMetricsTests", dependencies: ["ServiceMetrics", metrics],
      swiftSettings: testSettings),
    .testTarget(
      name: "WebSocketTests", dependencies: ["WebSocket", "SeededRandom", nioCore],
      swiftSettings: testSettings),
    .testTarget(
      name: "TLSTests",
      dependencies: [
        "TLS", "TestSupport", "LocalRedis", "LocalCluster", "SeededRandom", nioCore, nioPosix,
        nioEmbedded,
      ],
      swiftSettings: testSettings),
    .testTarget(
      name: "RedisTests",
      dependencies: [
        "Redis", "TLS", "TestSupport", "LocalRedis", "LocalCluster", "SeededRandom",
        concurrencyHelpers, nioCore, nioPosix, nioEmbedded, logging,
      ],
      swiftSettings: testSettings),
    .testTarget(
      name: "MessageBusTests",
      dependencies: [
        "MessageBus", "Redis", "ConnectProtocol", "BusTestSupport", "TestSupport", "LocalRedis",
        "LocalCluster", "SeededRandom", nioCore, nioPosix, logging,
      ],
      swiftSettings: testSettings),
    .testTarget(
      name: "LocalRedisTests",
      dependencies: ["LocalRedis", "LocalCluster", "TestSupport", "LocalRedisParent"],
      swiftSettings: testSettings),
    .testTarget(
      name: "LocalClusterTests", dependencies: ["LocalCluster", "LocalRedis", "TestSupport"],
      swiftSettings: testSettings),
    .testTarget(
      name: "GatewayTests",
      dependencies: [
        "Gateway", "ConnectTestStand", "BusTestSupport", "TestSupport", "MessageBus", "Redis",
        "ConnectProtocol", "Listening", "HTTPServer", "LocalRedis", "LocalCluster", "SeededRandom",
        nioCore, nioEmbedded, nioHTTP1, metrics,
      ],
      swiftSettings: testSettings),
    .testTarget(
      name: "MessagingTests",
      dependencies: [
        "Messaging", "MessageBus", "Inspection", "BackendAPI", "BusTestSupport", "ConnectTestStand",
        "TestSupport", "ConnectProtocol", "Redis", "LocalCluster", "LocalRedis", "SeededRandom",
        "ServiceMetrics", concurrencyHelpers, nioCore, nioEmbedded, logging, metrics,
      ],
      swiftSettings: testSettings),
    .testTarget(
      name: "ListeningTests",
      dependencies: [
        "Listening", "ConnectTestStand", "TestSupport", concurrencyHelpers, nioCore, nioPosix,
        logging,
      ],
      swiftSettings: testSettings),
    .testTarget(
      name: "HTTPServerTests",
      dependencies: [
        "HTTPServer", "ConnectTestStand", "TestSupport", "SeededRandom", concurrencyHelpers,
        nioCore, nioPosix, nioHTTP1, lifecycle, logging,
      ],
      swiftSettings: testSettings),
    .testTarget(
      name: "BackendAPITests",
      dependencies: [
        "BackendAPI", "BusTestSupport", "ConnectTestStand", "TestSupport", "MessageBus",
        "Messaging", "ConnectProtocol", "Redis", "LocalRedis", concurrencyHelpers, nioCore,
        nioHTTP1,
      ],
      swiftSettings: testSettings),
    .testTarget(
      name: "ConnectClientTests",
      dependencies: [
        "ConnectClient", "ConnectTestStand", "TestSupport", "ConnectProtocol", "WebSocket",
        "LocalRedis", "LocalCluster", "SeededRandom", concurrencyHelpers, nioCore, nioPosix,
        nioHTTP1, deque,
      ],
      swiftSettings: testSettings),
    .testTarget(
      name: "ConnectCommandTests",
      dependencies: [
        "ConnectCommand", "ConnectBench", "TestSupport", "LocalCluster", "Settings",
        "ConnectClient", "ConnectProtocol", "MessageBus", "Redis", nioCore, argumentParser,
      ],
      swiftSettings: testSettings),
    .testTarget(
      name: "ConnectBenchTests",
      dependencies: [
        "ConnectBench", "ConnectCommand", "ConnectClient", "ConnectProtocol", "Settings",
        "SeededRandom", nioCore, nioPosix, nioEmbedded,
      ],
      swiftSettings: testSettings),
    .testTarget(
      name: "ConnectCostTests", dependencies: ["ConnectCost", "MessageBus", nioCore],
      swiftSettings: testSettings),
    .testTarget(
      name: "EndToEndTests",
      dependencies: [
        "ConnectCommand", "ConnectBench", "Settings", "ConnectClient", "ConnectProtocol",
        "ConnectTestStand", "TestSupport", "MessageBus", "LocalRedis", "LocalCluster", "Redis",
        "ServiceMetrics", nioCore, nioPosix, logging,
      ],
      swiftSettings: testSettings),
    .testTarget(
      name: "FaultTests",
      dependencies: [
        "ConnectCommand", "ConnectBench", "ConnectClient", "ConnectProtocol", "Gateway",
        "LocalRedis", "LocalCluster", "TestSupport", nioCore, nioPosix,
      ],
      swiftSettings: testSettings),
  ],
  swiftLanguageModes: [.v6]
)
