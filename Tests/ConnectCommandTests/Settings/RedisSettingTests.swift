import Settings
import Testing

@testable import ConnectCommand
@testable import Redis

@Suite("Settings of two Redis")
struct RedisSettingTests {
  private func places(
    _ flags: [Setting: String], _ environment: [String: String] = [:]
  ) throws -> RedisPlaces {
    try SettingValues(flags: flags, environment: environment).redisPlaces()
  }

  @Test("are one Redis unless a second is named, by flag or variable; an empty one is none")
  func none() throws {
    #expect(try self.places([:]).registry == nil)
    #expect(try self.places([:], ["CONNECT_REGISTRY_REDIS_URL": ""]).registry == nil)
    let named = try self.places([:], ["CONNECT_REGISTRY_REDIS_URL": "redis://b:2"])
    #expect(named.registry.map { "\($0.url)" } == "redis://b:2/0")
    #expect("\(named.bus.url)" == "redis://127.0.0.1:6379/0")
  }

  @Test("share user, password and its file; what the second's URL says goes before them")
  func login() throws {
    let shared: [Setting: String] = [
      .redisURL: "redis://u:p@a", .redisUser: "user", .redisPassword: "word",
      .redisPasswordFile: "/file",
    ]
    func registry(_ url: String) throws -> RedisConfiguration {
      let places = try self.places(shared.merging([.registryRedisURL: url]) { $1 })
      #expect(places.bus.url.user == "user")
      #expect(places.bus.url.password == "word")
      #expect(places.bus.passwordFile == "/file")
      return try #require(places.registry)
    }
    let plain = try registry("redis://b")
    #expect(plain.url.user == "user")
    #expect(plain.url.password == "word")
    #expect(plain.passwordFile == "/file")
    let own = try registry("redis://me:mine@b")
    #expect(own.url.user == "me")
    #expect(own.url.password == "mine")
    #expect(own.passwordFile == nil)
    let named = try registry("redis://me@b")
    #expect(named.url.user == "me")
    #expect(named.passwordFile == "/file")
  }

  @Test("are each a server or a cluster: the mode is that of the first")
  func modes() throws {
    let places = try self.places([
      .redisURL: "redis://a", .redisMode: "single", .registryRedisURL: "redis://b,c",
    ])
    #expect(places.bus.mode == .single)
    #expect(places.registry?.mode == .auto)
    #expect(places.registry?.url.addresses.count == 2)
    #expect(throws: Failure.self) { try self.places([.registryRedisURL: "redis://b,c/1"]) }
    #expect(throws: Failure.self) { try self.places([.registryRedisURL: "b:2"]) }
  }

  @Test("have certificates for whichever uses TLS, and refuse them where none does")
  func certificates() throws {
    let insecure: [Setting: String] = [.redisTLSInsecure: "true"]
    let second = try self.places(
      insecure.merging([.redisURL: "redis://a", .registryRedisURL: "rediss://b"]) { $1 })
    #expect(!second.bus.trustsAnybody)
    #expect(second.registry?.trustsAnybody == true)
    let first = try self.places(
      insecure.merging([.redisURL: "rediss://a", .registryRedisURL: "redis://b"]) { $1 })
    #expect(first.bus.trustsAnybody)
    #expect(first.registry?.trustsAnybody == false)
    #expect(throws: Failure.self) {
      try self.places([.redisCAFile: "/none", .registryRedisURL: "redis://b"])
    }
  }
}
