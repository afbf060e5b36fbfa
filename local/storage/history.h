/// The latest writes of every resource, within limits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "local/storage/storage.h"

namespace millrace::storage {

/// Bytes that a record takes in memory, about.
std::size_t cost_of(const Record& record);

/// One ring of events per resource, and one budget for all. Not thread-safe.
class History {
 public:
  /// Nothing up to `start` is known.
  History(std::size_t events, std::size_t bytes, std::uint64_t start)
      : max_events_(events), max_bytes_(bytes), start_(start) {}

  /// Add the next write; `resource` is a number counted from 0. The oldest ones go when it is full.
  void add(std::size_t resource, Event event);
  /// Every event of `resource` after this version is there.
  std::uint64_t floor(std::size_t resource) const;
  /// In the order of versions.
  const std::deque<Event>& events(std::size_t resource) const;
  /// Forget all up to `version`, the latest one.
  void clear(std::uint64_t version);
  std::size_t bytes() const { return bytes_; }

 private:
  struct Item {
    std::size_t resource = 0;
    std::uint64_t version = 0;
  };
  struct Ring {
    std::deque<Event> events;
    std::deque<std::size_t> costs;  // of each event
    std::uint64_t floor = 0;
  };

  Ring& ring(std::size_t resource);
  void drop_oldest(Ring& ring);

  std::size_t max_events_;
  std::size_t max_bytes_;
  std::uint64_t start_;
  std::size_t bytes_ = 0;
  std::vector<Ring> rings_;
  std::deque<Item> order_;  // of all events; may name some that are gone
};

}  // namespace millrace::storage
