/// Documents for tests of patches: literals, random ones, and differences between two.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>

#include "kubeclient/codec/value.h"

namespace millrace::patch {

/// The parsed text; a test that has a typing error in it fails loudly.
codec::Value json(std::string_view text);

/// Random documents over few names, so that two of them have much in common.
class Documents {
 public:
  explicit Documents(std::uint32_t seed) : random_(seed) {}

  codec::Value any(int depth = 4);
  /// An object without null members anywhere: what a merge patch can reach.
  codec::Value object_without_nulls(int depth = 4);
  /// The same with some places changed: other values, members gone, members added.
  codec::Value changed(const codec::Value& from);
  /// `text` with some bytes changed, doubled or gone.
  std::string mutated(std::string_view text);
  std::uint32_t below(std::uint32_t bound) { return static_cast<std::uint32_t>(random_() % bound); }

 private:
  codec::Value scalar(bool nulls);
  codec::Value make(int depth, bool nulls);

  std::mt19937 random_;
};

/// The merge patch that makes `to` of `from`; both are objects without null members.
codec::Value merge_difference(const codec::Value& from, const codec::Value& to);
/// The JSON patch that makes `to` of `from`; both are objects.
codec::Value json_difference(const codec::Value& from, const codec::Value& to);

}  // namespace millrace::patch
