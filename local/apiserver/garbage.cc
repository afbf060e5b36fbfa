#include "local/apiserver/garbage.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <map>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "kubeclient/base/time_format.h"
#include "local/apiserver/namespace_sweep.h"
#include "local/apiserver/owner_index.h"
#include "local/apiserver/ownership_edits.h"
#include "local/apiserver/strategy_parts.h"

namespace millrace::apiserver {
namespace {

using codec::Value;
using storage::Key;

constexpr std::size_t kEventsAtOnce = 64;
constexpr std::size_t kScanPage = 200;
constexpr std::chrono::seconds kRetryDelay(1);
constexpr std::string_view kForeground = "foregroundDeletion";
constexpr std::string_view kOrphan = "orphan";

/// One piece of work that waits for its turn.
struct Task {
  enum class Type { Dependent, Owner, Namespace } type;
  Key key;
  std::string uid;  ///< empty for namespaces
  auto operator<=>(const Task&) const = default;
};

/// Tasks in order of arrival, each once.
class TaskQueue {
 public:
  void add(Task task) {
    if (waiting_.insert(task).second) queue_.push_back(std::move(task));
  }
  std::optional<Task> take() {
    if (queue_.empty()) return std::nullopt;
    Task task = std::move(queue_.front());
    queue_.pop_front();
    waiting_.erase(task);
    return task;
  }
  void clear() {
    queue_.clear();
    waiting_.clear();
  }

 private:
  std::deque<Task> queue_;
  std::set<Task> waiting_;
};

/// One resource of the storage, and how far we have read it.
struct Followed {
  std::string resource;
  bool is_event = false;
  bool is_namespace = false;
  std::unique_ptr<storage::Subscription> subscription;  // null: to be read from the start
  std::optional<Key> scanned;                           // null with `scanning`: nothing yet
  bool scanning = false;
  std::atomic<bool> dirty = true;
};

/// An Event that may be old enough at `due`.
struct Expiry {
  Time due;
  std::string ns;
  std::string name;
  std::uint64_t version = 0;
};

bool is_done(const Result<void>& result) {
  return result.ok() || result.error().code == Code::NotFound ||
         result.error().code == Code::Conflict;
}

/// When an Event was written last, as far as its text tells.
Time last_written(const std::string& json, Time otherwise) {
  const auto event = Value::parse(json);
  if (!event.ok()) return otherwise;
  std::optional<Time> latest;
  for (const auto& path : {std::initializer_list<std::string_view>{"metadata", "creationTimestamp"},
                           {"lastTimestamp"},
                           {"series", "lastObservedTime"}}) {
    const auto time = parse_time(text_at(*event, path));
    if (time.ok() && (!latest || *time > *latest)) latest = *time;
  }
  // A client's clock may be ahead; its Events are not to stay for that.
  return std::min(latest.value_or(otherwise), otherwise);
}

/// What the owners of an object come to.
struct Verdict {
  bool has_solid = false;
  std::vector<std::string> gone;     ///< UIDs of owners that are not there
  std::vector<std::string> waiting;  ///< UIDs of owners that wait for their dependents to go
};

}  // namespace

struct Garbage::Impl {
  Impl(storage::Storage& storage_, GarbageWriter& writer_, GarbageOptions options_,
       std::function<void()> wake_)
      : storage(storage_),
        writer(writer_),
        options(options_),
        wake(std::move(wake_)),
        sweep(storage_, writer_) {
    std::set<std::string> seen;
    for (const schema::Kind& kind : schema::kinds()) {
      if (!seen.insert(kind.storage_name()).second) continue;
      auto one = std::make_unique<Followed>();
      one->resource = kind.storage_name();
      one->is_event = kind.resource.kind == "Event";
      one->is_namespace = one->resource == "namespaces";
      followed.push_back(std::move(one));
    }
  }

  bool work_once(Time now);
  std::optional<Time> next_due() const;

  // Reading.
  Result<bool> read_some(Time now);
  Result<bool> scan_some(Followed& one, Time now);
  Result<bool> follow_some(Followed& one, Time now);
  void start_over();
  void end_scan();
  void see(Followed& one, const storage::Record& record, Time written);
  void see_deleted(Followed& one, const storage::Record& record);
  void touch_owners(const std::vector<UidKey>& owners);

  // Writing: one task, with at most one write.
  Result<void> run(const Task& task);
  Result<void> run_dependent(const Task& task);
  Result<void> run_owner(const Task& task);
  Result<void> orphan_next(const Task& task);
  Result<void> wait_for_dependents(const Task& task);
  Result<Verdict> judge(const Key& key, const Ownership& ownership) const;
  bool expire_next(Time now);

  storage::Storage& storage;
  GarbageWriter& writer;
  GarbageOptions options;
  std::function<void()> wake;
  NamespaceSweep sweep;
  OwnerIndex index;
  TaskQueue tasks;
  std::multimap<Time, Task> retries;
  std::map<UidKey, Task> waiting;         ///< owners that wait for their dependents
  std::deque<Expiry> expiries;            ///< by due time
  std::optional<std::set<UidKey>> known;  ///< while all is read first: the objects met
  std::optional<Time> read_again;         ///< after the storage could not be read
  // Last: its bells ring into the rest.
  std::vector<std::unique_ptr<Followed>> followed;
};

Garbage::Garbage(storage::Storage& storage, GarbageWriter& writer, GarbageOptions options,
                 std::function<void()> wake)
    : impl_(std::make_unique<Impl>(storage, writer, options, std::move(wake))) {}
Garbage::~Garbage() = default;
bool Garbage::work_once(Time now) { return impl_->work_once(now); }
std::optional<Time> Garbage::next_due() const { return impl_->next_due(); }

bool Garbage::Impl::work_once(Time now) {
  // What happened comes before what is to be done about it: a task sees all earlier writes.
  if (!read_again || *read_again <= now) {
    read_again.reset();
    const auto read = read_some(now);
    if (!read.ok()) {
      read_again = now + kRetryDelay;
      return true;
    }
    if (*read) return true;
  }
  while (!retries.empty() && retries.begin()->first <= now) {
    tasks.add(std::move(retries.begin()->second));
    retries.erase(retries.begin());
  }
  if (auto task = tasks.take()) {
    if (!run(*task).ok()) retries.emplace(now + kRetryDelay, *std::move(task));
    return true;
  }
  return expire_next(now);
}

std::optional<Time> Garbage::Impl::next_due() const {
  std::optional<Time> due = read_again;
  const auto earlier = [&due](Time time) { due = due ? std::min(*due, time) : time; };
  if (!retries.empty()) earlier(retries.begin()->first);
  if (!expiries.empty()) earlier(expiries.front().due);
  return due;
}

Result<bool> Garbage::Impl::read_some(Time now) {
  // Everything is read once before anything is followed, and followed in turns.
  for (const auto& one : followed) {
    if (one->subscription == nullptr || one->scanning) return scan_some(*one, now);
  }
  if (known) end_scan();
  for (const auto& one : followed) {
    if (!one->dirty.exchange(false)) continue;
    MR_ASSIGN(const bool found, follow_some(*one, now));
    if (found) return true;
  }
  return false;
}

Result<bool> Garbage::Impl::scan_some(Followed& one, Time now) {
  if (!known) known.emplace();
  if (one.subscription == nullptr) {
    one.dirty = true;
    MR_ASSIGN(one.subscription, storage.subscribe(one.resource, storage.version(), [this, &one] {
      one.dirty = true;
      if (wake) wake();
    }));
    one.scanning = true;
    one.scanned.reset();
  }
  const Key* after = one.scanned ? &*one.scanned : nullptr;
  MR_ASSIGN(const auto page, storage.list(one.resource, "", after, kScanPage, 0));
  for (const auto& record : page.records) {
    see(one, *record, one.is_event ? last_written(record->json, now) : now);
  }
  if (!page.records.empty()) one.scanned = page.records.back()->key;
  one.scanning = page.more;
  if (one.is_event && !one.scanning) {
    std::stable_sort(expiries.begin(), expiries.end(),
                     [](const Expiry& a, const Expiry& b) { return a.due < b.due; });
  }
  return true;
}

Result<bool> Garbage::Impl::follow_some(Followed& one, Time now) {
  auto events = one.subscription->take(kEventsAtOnce);
  if (!events.ok()) {
    one.dirty = true;
    if (events.error().code != Code::Expired) return fail(events.error());
    start_over();
    return true;
  }
  if (events->size() == kEventsAtOnce) one.dirty = true;
  for (const storage::Event& event : *events) {
    if (event.type == storage::EventType::Deleted) {
      see_deleted(one, *event.now);
      continue;
    }
    if (event.type == storage::EventType::Added && sweep.is_leaving(event.now->key.ns)) {
      sweep.refill(event.now->key.ns);
      tasks.add({Task::Type::Namespace, {"namespaces", "", event.now->key.ns}, ""});
    }
    see(one, *event.now, now);
  }
  return !events->empty();
}

/// All has been read: look only at objects with an owner that was not met. The others were looked
/// at when they were written.
void Garbage::Impl::end_scan() {
  for (auto& dependent : index.with_owner_outside(*known)) {
    tasks.add({Task::Type::Dependent, std::move(dependent.key), std::move(dependent.uid)});
  }
  known.reset();
}

/// Too much happened at once: what was missed is found by reading all again.
void Garbage::Impl::start_over() {
  for (const auto& one : followed) one->subscription.reset();
  index.clear();
  tasks.clear();
  retries.clear();
  waiting.clear();
  expiries.clear();
  known.reset();
}

void Garbage::Impl::see(Followed& one, const storage::Record& record, Time written) {
  if (one.is_event) {
    expiries.push_back({written + std::chrono::duration_cast<Time::duration>(options.event_ttl),
                        record.key.ns, record.key.name, record.version});
    return;  // Events neither own nor are owned. Source: Kubernetes, DefaultIgnoredResources
  }
  const Ownership ownership = read_ownership(record.json);
  const std::vector<UidKey> before = index.owners(record.uid);
  if (known) known->insert(uid_key(record.uid));
  if (index.set(record.key, record.uid, ownership.owners)) {
    touch_owners(before);
    if (!ownership.owners.empty() && !known) {
      tasks.add({Task::Type::Dependent, record.key, record.uid});
    }
  }
  if (!ownership.deleting) return;
  if (ownership.has_finalizer(kForeground) || ownership.has_finalizer(kOrphan)) {
    tasks.add({Task::Type::Owner, record.key, record.uid});
  } else {
    waiting.erase(uid_key(record.uid));
  }
  if (one.is_namespace) {
    sweep.leaving(record.key.name);
    tasks.add({Task::Type::Namespace, record.key, ""});
  }
}

void Garbage::Impl::see_deleted(Followed& one, const storage::Record& record) {
  if (one.is_event) return;
  const std::vector<UidKey> owners = index.owners(record.uid);
  index.erase(record.uid);
  waiting.erase(uid_key(record.uid));
  touch_owners(owners);
  for (auto& dependent : index.dependents(record.uid)) {
    tasks.add({Task::Type::Dependent, std::move(dependent.key), std::move(dependent.uid)});
  }
  if (one.is_namespace) sweep.gone(record.key.name);
  if (sweep.is_leaving(record.key.ns)) {
    tasks.add({Task::Type::Namespace, {"namespaces", "", record.key.ns}, ""});
  }
}

/// Owners that wait may have one dependent less to wait for.
void Garbage::Impl::touch_owners(const std::vector<UidKey>& owners) {
  for (const UidKey& owner : owners) {
    if (const auto it = waiting.find(owner); it != waiting.end()) tasks.add(it->second);
  }
}

Result<void> Garbage::Impl::run(const Task& task) {
  switch (task.type) {
    case Task::Type::Dependent:
      return run_dependent(task);
    case Task::Type::Owner:
      return run_owner(task);
    case Task::Type::Namespace: {
      MR_ASSIGN(const bool more, sweep.step(task.key.name));
      if (more) tasks.add(task);
      return {};
    }
  }
  return {};
}

Result<Verdict> Garbage::Impl::judge(const Key& key, const Ownership& ownership) const {
  Verdict verdict;
  for (const Owner& owner : ownership.owners) {
    const std::size_t slash = owner.api_version.find('/');
    const bool core = slash == std::string::npos;
    const std::string group = core ? "" : owner.api_version.substr(0, slash);
    const std::string version = core ? owner.api_version : owner.api_version.substr(slash + 1);
    const schema::Kind* kind = schema::find_kind_by_name(group, version, owner.kind);
    // Nothing is known of it, so it cannot be known to be gone.
    const bool unresolvable = kind == nullptr || (kind->resource.namespaced && key.ns.empty());
    if (unresolvable) {
      verdict.has_solid = true;
      continue;
    }
    // An owner is in the namespace of its dependent, or in none.
    const Key place{kind->storage_name(), kind->resource.namespaced ? key.ns : "", owner.name};
    MR_ASSIGN(const auto record, storage.get(place));
    if (record == nullptr || record->uid != owner.uid) {
      verdict.gone.push_back(owner.uid);
      continue;
    }
    const Ownership state = read_ownership(record->json);
    if (state.deleting && state.has_finalizer(kForeground)) {
      verdict.waiting.push_back(owner.uid);
    } else {
      verdict.has_solid = true;
    }
  }
  return verdict;
}

Result<void> Garbage::Impl::run_dependent(const Task& task) {
  MR_ASSIGN(const auto record, storage.get(task.key));
  if (record == nullptr || record->uid != task.uid) return {};
  const Ownership ownership = read_ownership(record->json);
  if (ownership.deleting || ownership.owners.empty()) return {};
  MR_ASSIGN(const Verdict verdict, judge(task.key, ownership));
  Result<void> written;
  if (verdict.has_solid) {
    std::vector<std::string> uids = verdict.gone;
    uids.insert(uids.end(), verdict.waiting.begin(), verdict.waiting.end());
    if (uids.empty()) return {};
    written = writer.edit(task.key, task.uid,
                          [&uids](Value& object) { return drop_owners(object, uids); });
  } else if (!verdict.waiting.empty() && index.first_dependent(task.uid) != nullptr) {
    const auto dependents = index.dependents(task.uid);
    const bool circle = std::any_of(dependents.begin(), dependents.end(), [this](const auto& one) {
      return waiting.contains(uid_key(one.uid));
    });
    if (circle) {
      const auto unblocked = writer.edit(task.key, task.uid, stop_blocking);
      if (!is_done(unblocked)) return unblocked;
    }
    written = writer.remove(task.key, task.uid, Propagation::Foreground);
  } else {
    const Propagation propagation = ownership.has_finalizer(kOrphan) ? Propagation::Orphan
                                    : ownership.has_finalizer(kForeground)
                                        ? Propagation::Foreground
                                        : Propagation::Background;
    written = writer.remove(task.key, task.uid, propagation);
  }
  if (!is_done(written)) return written;
  return {};
}

Result<void> Garbage::Impl::run_owner(const Task& task) {
  MR_ASSIGN(const auto record, storage.get(task.key));
  if (record == nullptr || record->uid != task.uid) return {};
  const Ownership ownership = read_ownership(record->json);
  if (!ownership.deleting) return {};
  if (ownership.has_finalizer(kOrphan)) return orphan_next(task);
  if (ownership.has_finalizer(kForeground)) return wait_for_dependents(task);
  return {};
}

Result<void> Garbage::Impl::orphan_next(const Task& task) {
  if (const auto* found = index.first_dependent(task.uid)) {
    const OwnerIndex::Dependent dependent = *found;
    const std::vector<std::string> uids{task.uid};
    const auto written = writer.edit(dependent.key, dependent.uid,
                                     [&uids](Value& object) { return drop_owners(object, uids); });
    if (!is_done(written)) return written;
    index.drop_owner(dependent.uid, task.uid);
    tasks.add(task);
    return {};
  }
  const auto written = writer.edit(task.key, task.uid,
                                   [](Value& object) { return drop_finalizer(object, kOrphan); });
  if (!is_done(written)) return written;
  return {};
}

Result<void> Garbage::Impl::wait_for_dependents(const Task& task) {
  if (!index.is_blocked(task.uid)) {
    const auto written = writer.edit(
        task.key, task.uid, [](Value& object) { return drop_finalizer(object, kForeground); });
    if (!is_done(written)) return written;
    waiting.erase(uid_key(task.uid));
    return {};
  }
  // Later dependents find out by themselves that their owner waits.
  if (!waiting.emplace(uid_key(task.uid), task).second) return {};
  for (auto& dependent : index.dependents(task.uid)) {
    tasks.add({Task::Type::Dependent, std::move(dependent.key), std::move(dependent.uid)});
  }
  return {};
}

bool Garbage::Impl::expire_next(Time now) {
  while (!expiries.empty() && expiries.front().due <= now) {
    const Expiry oldest = expiries.front();
    const Key key{"events", oldest.ns, oldest.name};
    const auto record = storage.get(key);
    if (record.ok() && (*record == nullptr || (*record)->version != oldest.version)) {
      expiries.pop_front();  // gone, or written again and behind us in the queue
      continue;
    }
    const bool done =
        record.ok() && is_done(writer.remove(key, (*record)->uid, Propagation::Background));
    expiries.pop_front();
    if (!done) {
      const Expiry later{now + kRetryDelay, oldest.ns, oldest.name, oldest.version};
      const auto place =
          std::upper_bound(expiries.begin(), expiries.end(), later,
                           [](const Expiry& a, const Expiry& b) { return a.due < b.due; });
      expiries.insert(place, later);
    }
    return true;
  }
  return false;
}

}  // namespace millrace::apiserver
