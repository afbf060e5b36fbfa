/// Random choices that are the same for the same seed, on every machine and in every build.
#pragma once

#include <cstdint>

namespace millrace::sim {

/// SplitMix64. Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators".
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15ULL + 0x1234567ULL) {}

  std::uint64_t next() {
    state_ += 0x9e3779b97f4a7c15ULL;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  /// In [0, n); 0 for n = 0.
  int below(int n) { return n <= 0 ? 0 : static_cast<int>(next() % static_cast<unsigned>(n)); }
  /// In [low, high].
  int between(int low, int high) { return low + below(high - low + 1); }
  /// True with `permille` of a thousand.
  bool chance(int permille) { return permille > 0 && below(1000) < permille; }
  /// Another sequence.
  Random split() { return Random(next()); }

 private:
  std::uint64_t state_;
};

}  // namespace millrace::sim
