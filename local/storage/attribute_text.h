/// What the index keeps of each object besides its key, in as few bytes as can be: thousands of
/// finished objects stay in memory this way.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "local/storage/storage.h"

namespace millrace::storage {

/// Names of labels and fields, each kept once. Safe from any thread.
class NameTable {
 public:
  /// The number of `name`, from 1 on; 0 when the table is full and does not have it.
  std::uint32_t number(std::string_view name);
  /// The name of a number that was given out.
  std::string_view name(std::uint32_t number) const;

 private:
  mutable std::mutex mutex_;
  std::deque<std::string> names_;  // elements stay where they are
  std::unordered_map<std::string_view, std::uint32_t> numbers_;
};

/// UID and attributes as bytes. With `names` they are short, and can be read only with that table;
/// without (null) they stand for themselves, as on disk.
std::string pack_attributes(const Key& key, const std::string& uid, const Attributes& attributes,
                            NameTable* names);
/// The inverse, given the same key and table. False when `bytes` are damaged.
bool unpack_attributes(std::string_view bytes, const Key& key, const NameTable* names,
                       std::string& uid, Attributes& attributes);

}  // namespace millrace::storage
