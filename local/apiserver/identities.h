/// UIDs and the random ends of generated names.
#pragma once

#include <cstdint>
#include <random>
#include <string>

#include "kubeclient/base/guarded.h"

namespace millrace::apiserver {

/// Safe from any thread. The same seed gives the same sequence; seed 0 a new one each time.
class Identities {
 public:
  explicit Identities(std::uint32_t seed);
  /// A version 4 UUID.
  std::string uid();
  /// Five characters of the alphabet that generated names use: no vowels, nothing that looks like
  /// another one. Source: Kubernetes, apimachinery/pkg/util/rand.
  std::string suffix();
  /// At least 0, below `limit` (above 0).
  std::uint64_t below(std::uint64_t limit);

 private:
  Guarded<std::mt19937_64> engine_;
};

}  // namespace millrace::apiserver
