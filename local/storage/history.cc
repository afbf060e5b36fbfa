#include "local/storage/history.h"

namespace millrace::storage {
namespace {

std::size_t heap_of(const std::string& text) {
  return text.capacity() > 15 ? text.capacity() + 17 : 0;
}

std::size_t cost_of(const Pairs& pairs) {
  std::size_t sum = 0;
  for (const auto& [name, value] : pairs) {
    sum += sizeof(Pairs::value_type) + heap_of(name) + heap_of(value);
  }
  return sum;
}

}  // namespace

std::size_t cost_of(const Record& record) {
  return sizeof(Record) + 32 + heap_of(record.key.resource) + heap_of(record.key.ns) +
         heap_of(record.key.name) + heap_of(record.uid) + heap_of(record.json) +
         cost_of(record.attributes.labels) + cost_of(record.attributes.fields);
}

History::Ring& History::ring(std::size_t resource) {
  while (rings_.size() <= resource) rings_.emplace_back().floor = start_;
  return rings_[resource];
}

void History::drop_oldest(Ring& ring) {
  ring.floor = ring.events.front().version;
  bytes_ -= ring.costs.front();
  ring.events.pop_front();
  ring.costs.pop_front();
}

void History::add(std::size_t resource, Event event) {
  Ring& target = ring(resource);
  // The state before is mostly the state after of an earlier event; only one that is not costs.
  std::size_t cost = sizeof(Event) + sizeof(Item) + cost_of(*event.now);
  if (event.before != nullptr && event.before->version <= target.floor) {
    cost += cost_of(*event.before);
  }
  order_.push_back({resource, event.version});
  target.events.push_back(std::move(event));
  target.costs.push_back(cost);
  bytes_ += cost;
  if (target.events.size() > max_events_) drop_oldest(target);
  while (!order_.empty()) {
    const Item oldest = order_.front();
    Ring& owner = rings_[oldest.resource];
    const bool gone = owner.floor >= oldest.version;
    if (!gone && bytes_ <= max_bytes_) break;
    if (!gone) drop_oldest(owner);
    order_.pop_front();
  }
}

std::uint64_t History::floor(std::size_t resource) const {
  return resource < rings_.size() ? rings_[resource].floor : start_;
}

const std::deque<Event>& History::events(std::size_t resource) const {
  static const std::deque<Event> kNone;
  return resource < rings_.size() ? rings_[resource].events : kNone;
}

void History::clear(std::uint64_t version) {
  rings_.clear();
  order_.clear();
  bytes_ = 0;
  start_ = version;
}

}  // namespace millrace::storage
