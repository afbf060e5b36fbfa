/// The objects of one resource in order, the records that are in memory, and walks over both.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "local/storage/history.h"
#include "local/storage/storage.h"

namespace millrace::storage {

/// Namespace and name in one text that orders as the pair does.
std::string place_of(std::string_view ns, std::string_view name);
Key key_of(const std::string& resource, const std::string& place);

/// An object in the index. Without a file `record` is always there.
struct Entry {
  std::uint64_t version = 0;
  std::int64_t row = 0;
  std::string packed;  // see pack_attributes; empty without a file
  RecordRef record;    // null when it has to be read
  Entry* newer = nullptr;
  Entry* older = nullptr;
};
using Index = std::map<std::string, Entry, std::less<>>;

/// The records held in memory, the least used first to go. Without a file it holds none.
class Cache {
 public:
  explicit Cache(std::size_t limit) : limit_(limit) {}

  void hold(Entry& entry, RecordRef record) {
    drop(entry);
    bytes_ += cost_of(*record);
    entry.record = std::move(record);
    link(entry);
    // `pinned` is being written: until that is through, readers must not look for it on disk.
    for (Entry* at = oldest_; at != nullptr && bytes_ > limit_;) {
      Entry* next = at->newer;
      if (at != pinned && at != &entry) drop(*at);
      at = next;
    }
  }
  void touch(Entry& entry) {
    if (newest_ == &entry) return;
    unlink(entry);
    link(entry);
  }
  void drop(Entry& entry) {
    if (entry.record == nullptr) return;
    bytes_ -= cost_of(*entry.record);
    entry.record = nullptr;
    unlink(entry);
  }

  const Entry* pinned = nullptr;

 private:
  void link(Entry& entry) {
    entry.older = newest_;
    entry.newer = nullptr;
    (newest_ == nullptr ? oldest_ : newest_->newer) = &entry;
    newest_ = &entry;
  }
  void unlink(Entry& entry) {
    (entry.older == nullptr ? oldest_ : entry.older->newer) = entry.newer;
    (entry.newer == nullptr ? newest_ : entry.newer->older) = entry.older;
  }

  std::size_t limit_;
  std::size_t bytes_ = 0;
  Entry* newest_ = nullptr;
  Entry* oldest_ = nullptr;
};

/// One object of a listing, and where to get it when it is not in memory.
struct Slot {
  RecordRef record;
  std::int64_t row = 0;
  std::uint64_t version = 0;
  std::string place;
  std::string packed;
};

/// Collects the objects of a listing in order, from `after` on, up to the limit; counts the rest.
class Gathering {
 public:
  Gathering(std::string_view ns, const Key* after, std::size_t limit)
      : prefix_(ns.empty() ? std::string() : place_of(ns, "")),
        start_(after == nullptr ? prefix_ : place_of(after->ns, after->name)),
        past_start_(after != nullptr),
        limit_(limit) {
    if (start_ < prefix_) start_ = prefix_;
  }

  /// `then` holds the objects that were other ones at the moment: null for those not there then.
  void walk(const Index& index, const std::map<std::string, RecordRef>& then);

  std::vector<Slot> slots;
  std::size_t remaining = 0;

 private:
  bool covers(const std::string& place) const {
    return place.compare(0, prefix_.size(), prefix_) == 0;
  }
  void add(const std::string& place, const RecordRef& record, const Entry* entry) {
    if (past_start_ && place == start_) return;
    if (limit_ != 0 && slots.size() >= limit_) {
      ++remaining;
      return;
    }
    Slot& slot = slots.emplace_back();
    slot.record = record;
    if (record != nullptr) return;
    slot.row = entry->row;
    slot.version = entry->version;
    slot.place = place;
    slot.packed = entry->packed;
  }

  std::string prefix_;
  std::string start_;
  bool past_start_;
  std::size_t limit_;
};

}  // namespace millrace::storage
