/// The generator of Steele, Lea and Flood ("Fast Splittable Pseudorandom Number Generators", 2014):
/// a plan can be had again by its seed.
struct SplitMix64: RandomNumberGenerator, Sendable {
  private var state: UInt64

  /// The same seed gives the same numbers.
  init(seed: UInt64) { self.state = seed }

  /// The next number.
  mutating func next() -> UInt64 {
    self.state &+= 0x9e37_79b9_7f4a_7c15
    var z = self.state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
