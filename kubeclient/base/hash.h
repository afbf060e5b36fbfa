/// Stable hashes for names: the same on every machine and in every release.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace {

/// 64-bit FNV-1a with a final mix. Not for secrets.
std::uint64_t stable_hash(std::string_view text);

/// The lowest `digits` (1..16) hex digits of `value`, lower case, zero-padded.
std::string hex(std::uint64_t value, int digits);

}  // namespace millrace
