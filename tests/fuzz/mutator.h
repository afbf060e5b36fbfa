/// Damage for requests: small changes to text and to documents, by seed.
#pragma once

#include <cstdint>
#include <random>
#include <string>

#include "kubeclient/codec/value.h"

namespace millrace::fuzz {

/// Changes what it is given. Same seed, same changes.
class Mutator {
 public:
  explicit Mutator(std::uint64_t seed) : engine_(seed) {}

  /// A number below `n`; 0 when `n` is 0.
  std::size_t below(std::size_t n) { return n == 0 ? 0 : engine_() % n; }
  bool chance(std::size_t one_in) { return below(one_in) == 0; }

  /// One change to bytes: flip, insert, delete, repeat, or a piece that parsers dislike.
  void damage(std::string& text);
  /// One change somewhere in a document: another value, another key, a member more or less, a
  /// repeated item, or a level more.
  void change(codec::Value& document);
  /// A small value of any kind, sometimes an awkward one.
  codec::Value value(int depth = 2);

 private:
  codec::Value& pick(codec::Value& from);
  std::mt19937_64 engine_;
};

}  // namespace millrace::fuzz
