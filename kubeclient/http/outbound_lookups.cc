#include "kubeclient/http/outbound_lookups.h"

#include <algorithm>

namespace millrace::http {
namespace {

// libcurl keeps an answer for 60 s; half of it leaves time until a call gets to look.
constexpr std::chrono::seconds kKnownFor{30};
constexpr std::size_t kMostKnown = 4096;

}  // namespace

bool OutboundLookups::enter(const std::string& key, std::uint64_t id, SteadyTime now) {
  const auto known = known_.find(key);
  if (known != known_.end()) {
    if (now < known->second) return true;
    known_.erase(known);
  }
  const auto [at, fresh] = lookups_.try_emplace(key);
  if (!fresh) {
    at->second.waiting.push_back(id);
    return false;
  }
  if (leading_ >= most_) {
    at->second.waiting.push_back(id);
    queue_.push_back(key);
    return false;
  }
  at->second.leader = id;
  ++leading_;
  return true;
}

OutboundLookups::Ids OutboundLookups::known(const std::string& key, std::uint64_t id,
                                            SteadyTime now) {
  const auto at = lookups_.find(key);
  if (at == lookups_.end() || at->second.leader != id) return {};
  if (known_.size() >= kMostKnown) {
    std::erase_if(known_, [now](const auto& entry) { return entry.second <= now; });
    if (known_.size() >= kMostKnown) known_.clear();  // only costs lookups
  }
  known_[key] = now + kKnownFor;
  Ids go(at->second.waiting.begin(), at->second.waiting.end());
  lookups_.erase(at);
  --leading_;
  const Ids more = fill();
  go.insert(go.end(), more.begin(), more.end());
  return go;
}

OutboundLookups::Ids OutboundLookups::left(const std::string& key, std::uint64_t id) {
  const auto at = lookups_.find(key);
  if (at == lookups_.end()) return {};
  Lookup& lookup = at->second;
  if (lookup.leader != id) {
    std::erase(lookup.waiting, id);
    if (lookup.leader == 0 && lookup.waiting.empty()) lookups_.erase(at);
    return {};
  }
  if (lookup.waiting.empty()) {
    lookups_.erase(at);
    --leading_;
    return fill();
  }
  lookup.leader = lookup.waiting.front();
  lookup.waiting.pop_front();
  return {lookup.leader};
}

std::pair<OutboundLookups::Ids, OutboundLookups::Ids> OutboundLookups::failed(
    const std::string& key, std::uint64_t id) {
  const auto at = lookups_.find(key);
  if (at == lookups_.end() || at->second.leader != id) return {{}, left(key, id)};
  Ids fail(at->second.waiting.begin(), at->second.waiting.end());
  lookups_.erase(at);
  --leading_;
  return {std::move(fail), fill()};
}

OutboundLookups::Ids OutboundLookups::fill() {
  Ids go;
  while (leading_ < most_ && !queue_.empty()) {
    const auto at = lookups_.find(queue_.front());
    queue_.pop_front();
    if (at == lookups_.end() || at->second.leader != 0) continue;
    at->second.leader = at->second.waiting.front();  // one that waits has company or is gone
    at->second.waiting.pop_front();
    ++leading_;
    go.push_back(at->second.leader);
  }
  return go;
}

}  // namespace millrace::http
