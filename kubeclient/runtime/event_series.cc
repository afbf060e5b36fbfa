#include "kubeclient/runtime/event_series.h"

#include <algorithm>
#include <utility>

#include "kubeclient/base/hash.h"

namespace millrace::runtime {
namespace {

/// API limits. Source: Kubernetes pkg/apis/core/validation/events.go.
constexpr std::size_t kMaxNote = 1024;
constexpr std::size_t kMaxWord = 128;
constexpr std::size_t kMaxName = 253;

/// At most `limit` bytes, not cut inside a UTF-8 character.
std::string cut(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return std::string(text);
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0) == 0x80) --limit;
  return std::string(text.substr(0, limit));
}

std::string object_name(const api::ObjectReference& object) {
  return object.kind + '\0' + object.ns + '\0' + object.name + '\0' + object.uid;
}

}  // namespace

EventSeries::Answer EventSeries::take(const EventRequest& request, SteadyTime now, Time wall) {
  std::string name = object_name(request.regarding) + '\0' + request.type + '\0' + request.reason +
                     '\0' + request.action + '\0' + cut(request.note, kMaxNote);
  const auto known = series_.find(name);
  if (known != series_.end() && now - known->second.seen < options_.window) {
    Series& series = known->second;
    ++series.count;
    series.last = wall;
    series.seen = now;
    behind_.insert(name);
    if (now - series.written < options_.patch_gap) return {Verdict::Joined, std::nullopt};
    return {Verdict::Write, patch(name, series, now)};
  }
  if (!allowed(request.regarding, now)) return {Verdict::Limited, std::nullopt};
  make_room(now);
  api::Event event = build(request, name, wall);
  Series fresh;
  fresh.key = api::key_of(event.metadata);
  fresh.last = wall;
  fresh.seen = fresh.written = now;
  EventWrite write{name, fresh.key, std::move(event), {}};
  behind_.erase(name);
  series_.insert_or_assign(std::move(name), std::move(fresh));
  return {Verdict::Write, std::move(write)};
}

EventWrite EventSeries::patch(const std::string& name, Series& series, SteadyTime now) {
  behind_.erase(name);
  series.written = now;
  return {name, series.key, std::nullopt, {series.count, codec::MicroTime{series.last}}};
}

std::vector<EventWrite> EventSeries::due(SteadyTime now) {
  std::vector<EventWrite> out;
  const std::set<std::string> behind = behind_;  // patch() takes names out
  for (const std::string& name : behind) {
    Series& series = series_.at(name);
    if (now - series.written >= options_.patch_gap) out.push_back(patch(name, series, now));
  }
  return out;
}

std::optional<SteadyTime> EventSeries::next_due() const {
  std::optional<SteadyTime> next;
  for (const std::string& name : behind_) {
    const SteadyTime at = series_.at(name).written + options_.patch_gap;
    next = next ? std::min(*next, at) : at;
  }
  return next;
}

bool EventSeries::allowed(const api::ObjectReference& regarding, SteadyTime now) {
  if (objects_.size() >= options_.capacity) {
    std::erase_if(objects_, [&](const auto& entry) { return entry.second.full(now); });
    if (objects_.size() >= options_.capacity) objects_.clear();  // too many chatty ones to keep
  }
  const auto it =
      objects_
          .try_emplace(object_name(regarding), options_.object_per_second, options_.object_burst)
          .first;
  return it->second.try_take(now);
}

void EventSeries::make_room(SteadyTime now) {
  if (series_.size() < options_.capacity) return;
  const auto drop = [&](const auto& unwanted) {
    std::erase_if(series_, [&](const auto& entry) {
      if (!unwanted(entry.second)) return false;
      behind_.erase(entry.first);
      return true;
    });
  };
  drop([&](const Series& series) { return now - series.seen >= options_.window; });
  if (series_.size() < options_.capacity) return;
  // The oldest quarter at once, or each new event would search all.
  std::size_t count = series_.size() / 4 + 1;
  std::vector<SteadyTime> times;
  for (const auto& [name, series] : series_) times.push_back(series.seen);
  const auto last = times.begin() + static_cast<std::ptrdiff_t>(count - 1);
  std::nth_element(times.begin(), last, times.end());
  drop([&](const Series& series) {
    if (count == 0 || series.seen > *last) return false;
    --count;  // several may be as old as the last
    return true;
  });
}

api::Event EventSeries::build(const EventRequest& request, const std::string& name,
                              Time wall) const {
  api::Event event;
  const std::string unique =
      name + options_.instance + std::to_string(wall.time_since_epoch().count());
  event.metadata.name =
      cut(request.regarding.name, kMaxName - 17) + "." + hex(stable_hash(unique), 16);
  // Events of cluster-scoped objects live in "default".
  event.metadata.ns = request.regarding.ns.empty() ? "default" : request.regarding.ns;
  event.event_time = codec::MicroTime{wall};
  event.reporting_controller = options_.component;
  event.reporting_instance = cut(options_.instance, kMaxWord);
  event.action = cut(request.action, kMaxWord);
  event.reason = cut(request.reason, kMaxWord);
  event.regarding = request.regarding;
  event.note = cut(request.note, kMaxNote);
  event.type = request.type;
  return event;
}

}  // namespace millrace::runtime
