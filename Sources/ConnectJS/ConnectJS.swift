/// The client for JavaScript: its modules, for the gateway to serve beside the demo page.
package enum ConnectJS {
  /// Each module by its path in the package, with `/` between folders.
  package static let modules: [String: [UInt8]] = [
    "index.js": PackageResources.index_js,
    "core/acks.js": PackageResources.acks_js,
    "core/clock.js": PackageResources.clock_js,
    "core/errors.js": PackageResources.errors_js,
    "core/frames.js": PackageResources.frames_js,
    "core/limits.js": PackageResources.limits_js,
    "core/outbox.js": PackageResources.outbox_js,
    "core/pace.js": PackageResources.pace_js,
    "core/reads.js": PackageResources.reads_js,
    "core/recent.js": PackageResources.recent_js,
    "core/requests.js": PackageResources.requests_js,
    "core/signals.js": PackageResources.signals_js,
    "core/stored.js": PackageResources.stored_js,
    "core/typing.js": PackageResources.typing_js,
    "core/values.js": PackageResources.values_js,
    "core/wake.js": PackageResources.wake_js,
  ]
}
