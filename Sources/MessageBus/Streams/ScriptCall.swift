import Redis

/// A call of a script by the SHA-1 of its text, for what is called often.
package struct ScriptCall<Value> {
  private let script: Script
  private let keys: [RedisKey]
  private let arguments: [String]
  private let read: Reply<Value>.Read

  /// - Parameters:
  ///   - keys: at least one, and all of one slot.
  ///   - read: reads the script's reply.
  package init(
    _ script: Script, keys: [RedisKey], _ arguments: String..., read: @escaping Reply<Value>.Read
  ) {
    self.script = script
    self.keys = keys
    self.arguments = arguments
    self.read = read
  }

  fileprivate func append(to batch: inout RedisBatch) -> Reply<Value> {
    let words =
      ["EVALSHA", self.script.sha1, "\(self.keys.count)"] + self.keys.map { "\($0)" }
      + self.arguments
    return batch.append(key: self.keys[0], words: words).reading(self.read)
  }

  /// Loads the script on the server of its keys.
  fileprivate func load(to batch: inout RedisBatch) {
    batch.append(
      key: self.keys[0], "SCRIPT", "LOAD", self.script.source, isRepeatable: true)
  }
}

extension RedisClient {
  /// Makes calls of scripts, and those again whose server did not know the script yet.
  ///
  /// On the event loop only.
  ///
  /// - Parameters:
  ///   - confirmation: the replicas that must have what a call wrote before it counts as done.
  ///   - completion: given a result for each call, in their order.
  package func run<Value>(
    _ calls: [ScriptCall<Value>], confirmation: RedisBatch.Confirmation? = nil,
    completion: @escaping ([Result<Value, RedisError>]) -> Void
  ) {
    self.run(calls, confirmation, loading: false) { results in
      let unknown = results.indices.filter { results[$0].isMissingScript }
      guard !unknown.isEmpty else { return completion(results) }
      self.run(unknown.map { calls[$0] }, confirmation, loading: true) { repeated in
        var results = results
        for (index, result) in zip(unknown, repeated) { results[index] = result }
        completion(results)
      }
    }
  }

  /// The same, answered to a task on the client's event loop.
  package func run<Value: Sendable>(
    _ calls: [ScriptCall<Value>], confirmation: RedisBatch.Confirmation? = nil
  ) async -> [Result<Value, RedisError>] {
    await withCheckedContinuation { continuation in
      self.run(calls, confirmation: confirmation) { continuation.resume(returning: $0) }
    }
  }

  private func run<Value>(
    _ calls: [ScriptCall<Value>], _ confirmation: RedisBatch.Confirmation?, loading: Bool,
    completion: @escaping ([Result<Value, RedisError>]) -> Void
  ) {
    var batch = RedisBatch()
    batch.confirmation = confirmation
    let places = calls.map { call in
      if loading { call.load(to: &batch) }
      return call.append(to: &batch)
    }
    self.submit(batch) { replies in
      completion(
        places.map { place in
          Result { () throws(RedisError) in
            let value = try replies[place]
            if confirmation != nil { try replies.checkConfirmed(place) }
            return value
          }
        })
    }
  }
}

extension Result where Failure == RedisError {
  fileprivate var isMissingScript: Bool {
    if case .failure(.server(let error)) = self { error.code == "NOSCRIPT" } else { false }
  }
}
