import ArgumentParser
import MessageBus
import Settings

/// Options of a service that is a process of its own.
struct InstanceOptions: ParsableArguments {
  @Option(help: "Name of this instance: \(InstanceID.alphabet) (default: a new one each start).")
  var instanceID: String?

  @Option(help: "host:port, or a host, for /healthz, /readyz and /metrics; 'off' for none.")
  var managementListen: String?
}

extension SettingValues {
  func instanceID(prefix: String) throws(Failure) -> InstanceID {
    let given = try self.value(.instanceID, expected: "a name of \(InstanceID.alphabet)") {
      InstanceID($0)
    }
    let random = String(UInt32.random(in: .min ... .max), radix: 16)
    return given ?? InstanceID("\(prefix)-\(random)")!
  }

  /// Nil when it is switched off. A host alone leaves the service its own port, so that one
  /// environment, such as that of an image, serves both services.
  func managementListen(defaultPort: Int) throws(Failure) -> ListenAddress? {
    if self.isOff(.managementListen) { return nil }
    let expected =
      "host:port with \(ListenAddress.portRule), or a host, such as 0.0.0.0:9090 or 0.0.0.0"
    return try self.value(.managementListen, expected: expected) {
      ListenAddress($0, defaultPort: defaultPort)
    } ?? ListenAddress(host: "127.0.0.1", port: defaultPort)
  }
}
