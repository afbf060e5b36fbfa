/// Which Events are written: repeats become series, chatty objects are cut short. Pure of threads
/// and calls.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "kubeclient/api/event.h"
#include "kubeclient/base/clock.h"
#include "kubeclient/base/object_key.h"
#include "kubeclient/runtime/backoff.h"

namespace millrace::runtime {

/// What a controller wants to tell about an object.
struct EventRequest {
  api::ObjectReference regarding;
  std::string type = "Normal";  ///< or "Warning"
  std::string reason;           ///< one CamelCase word, why; at most 128 bytes
  std::string action;           ///< one CamelCase word, what was done; at most 128 bytes
  std::string note;             ///< for people; cut to 1024 bytes
};

struct EventSeriesOptions {
  std::string component;  ///< reportingController, e.g. "millrace.dev/operator"
  std::string instance;   ///< reportingInstance: this process
  Duration window = std::chrono::minutes(10);     ///< a repeat within it joins the series
  Duration patch_gap = std::chrono::seconds(30);  ///< between two writes of one series
  double object_burst = 25;                       ///< new events of one object at once
  double object_per_second = 1.0 / 60;            ///< and then
  std::size_t capacity = 1024;                    ///< series, and objects, kept in mind
};

/// One write: a new event, or the new state of a series.
struct EventWrite {
  std::string series;                ///< for forget()
  ObjectKey key;                     ///< of the Event
  std::optional<api::Event> create;  ///< absent: patch
  api::Event::Series state;          ///< to patch
};

/// Remembers what was told lately. Not thread-safe.
/// Source of the rules: client-go tools/events (series) and tools/record (limit per object).
class EventSeries {
 public:
  enum class Verdict { Write, Joined, Limited };
  struct Answer {
    Verdict verdict;
    std::optional<EventWrite> write;  ///< with Write
  };

  explicit EventSeries(EventSeriesOptions options) : options_(std::move(options)) {}

  /// Take one request. Joined: part of a series that is written later, see due().
  Answer take(const EventRequest& request, SteadyTime now, Time wall);
  /// Series with repeats that were not written yet and whose time has come.
  std::vector<EventWrite> due(SteadyTime now);
  /// When due() has something next; nothing when all is written.
  std::optional<SteadyTime> next_due() const;
  /// The write of a series failed for good: its next event is a new one.
  void forget(const std::string& series) {
    series_.erase(series);
    behind_.erase(series);
  }

 private:
  struct Series {
    ObjectKey key;
    int count = 1;
    Time last{};
    SteadyTime seen{};
    SteadyTime written{};
  };

  EventWrite patch(const std::string& name, Series& series, SteadyTime now);
  bool allowed(const api::ObjectReference& regarding, SteadyTime now);
  void make_room(SteadyTime now);
  api::Event build(const EventRequest& request, const std::string& name, Time wall) const;

  EventSeriesOptions options_;
  std::map<std::string, Series> series_;
  std::set<std::string> behind_;  ///< those of `series_` with repeats that were not written yet
  std::map<std::string, TokenBucket> objects_;
};

}  // namespace millrace::runtime
