/// The token by which a list in pages goes on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "local/apiserver/refusal.h"

namespace millrace::apiserver {

struct ContinueToken {
  std::string ns;
  std::string name;                      ///< the last object that was given
  std::optional<std::uint64_t> version;  ///< of the list; none: whatever is now
};

/// Opaque text in the alphabet of URLs.
std::string encode_continue(const ContinueToken& token);
/// Refuses with 400 what `encode_continue` did not make.
Answer<ContinueToken> decode_continue(std::string_view text);

}  // namespace millrace::apiserver
