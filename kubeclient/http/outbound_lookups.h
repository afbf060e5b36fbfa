/// Who may have a host name looked up: libcurl takes a thread for each lookup and does not notice
/// that another call has asked for the same name. So one call leads per name, the others wait until
/// its answer is in libcurl's cache. I/O thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "kubeclient/base/clock.h"

namespace millrace::http {

/// Calls are known by their number, names by a key ("host:port"), as in libcurl's cache.
class OutboundLookups {
 public:
  using Ids = std::vector<std::uint64_t>;

  explicit OutboundLookups(std::size_t most) : most_(most) {}

  /// True: go ahead. False: wait for being named by one of the others.
  bool enter(const std::string& key, std::uint64_t id, SteadyTime now);
  /// `id`, which went ahead, has an address. Who may go now.
  Ids known(const std::string& key, std::uint64_t id, SteadyTime now);
  /// `id` has ended, was waiting or leading. Who may go now.
  Ids left(const std::string& key, std::uint64_t id);
  /// The name that `id` leads for cannot be looked up: first who fails with it, then who may go.
  std::pair<Ids, Ids> failed(const std::string& key, std::uint64_t id);

 private:
  struct Lookup {
    std::uint64_t leader = 0;
    std::deque<std::uint64_t> waiting;
  };
  /// Leaders for the places that are free.
  Ids fill();

  std::size_t most_;
  std::size_t leading_ = 0;
  std::unordered_map<std::string, Lookup> lookups_;    ///< leader 0: waits for a place
  std::deque<std::string> queue_;                      ///< keys that wait for a place, perhaps gone
  std::unordered_map<std::string, SteadyTime> known_;  ///< until when
};

}  // namespace millrace::http
