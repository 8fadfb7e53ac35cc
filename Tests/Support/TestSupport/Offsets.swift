import ConnectProtocol

/// `1-0` for 1.
package func offset(_ milliseconds: UInt64, _ sequence: UInt64 = 0) -> Offset {
  Offset(milliseconds: milliseconds, sequence: sequence)
}
