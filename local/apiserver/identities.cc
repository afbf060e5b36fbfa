#include "local/apiserver/identities.h"

#include <string_view>

#include "kubeclient/base/hash.h"

namespace millrace::apiserver {
namespace {

std::mt19937_64 make_engine(std::uint32_t seed) {
  if (seed != 0) return std::mt19937_64(seed);
  std::random_device device;
  std::seed_seq sequence{device(), device(), device(), device(), device(), device()};
  return std::mt19937_64(sequence);
}

}  // namespace

Identities::Identities(std::uint32_t seed) : engine_(make_engine(seed)) {}

std::string Identities::uid() {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  {
    auto engine = engine_.lock();
    high = (*engine)();
    low = (*engine)();
  }
  high = (high & 0xffffffffffff0fffULL) | 0x4000ULL;
  low = (low & 0x3fffffffffffffffULL) | 0x8000000000000000ULL;
  const std::string a = hex(high, 16);
  const std::string b = hex(low, 16);
  return a.substr(0, 8) + '-' + a.substr(8, 4) + '-' + a.substr(12, 4) + '-' + b.substr(0, 4) +
         '-' + b.substr(4);
}

std::string Identities::suffix() {
  constexpr std::string_view kAlphabet = "bcdfghjklmnpqrstvwxz2456789";
  std::string out;
  auto engine = engine_.lock();
  for (int i = 0; i < 5; ++i) out += kAlphabet[(*engine)() % kAlphabet.size()];
  return out;
}

std::uint64_t Identities::below(std::uint64_t limit) {
  auto engine = engine_.lock();
  return (*engine)() % limit;
}

}  // namespace millrace::apiserver
