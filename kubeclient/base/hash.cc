#include "kubeclient/base/hash.h"

namespace millrace {

std::uint64_t stable_hash(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3ULL;
  }
  // Finalizer of the splitmix64 generator: FNV alone mixes the last bytes badly into low bits.
  hash ^= hash >> 30;
  hash *= 0xbf58476d1ce4e5b9ULL;
  hash ^= hash >> 27;
  hash *= 0x94d049bb133111ebULL;
  return hash ^ (hash >> 31);
}

std::string hex(std::uint64_t value, int digits) {
  std::string text(static_cast<std::size_t>(digits), '0');
  for (auto c = text.rbegin(); c != text.rend(); ++c, value >>= 4) {
    *c = "0123456789abcdef"[value & 15];
  }
  return text;
}

}  // namespace millrace
