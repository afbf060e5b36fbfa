#include "local/storage/storage.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "kubeclient/base/guarded.h"
#include "local/storage/attribute_text.h"
#include "local/storage/database.h"
#include "local/storage/history.h"
#include "local/storage/index.h"

namespace millrace::storage {
namespace {

// Reads race with writes: the row on disk may be newer than what the index said a moment ago.
// After so many tries a read waits for the writer.
constexpr int kTries = 4;

/// The end of a subscription that writers know.
class Bell {
 public:
  explicit Bell(std::function<void()> ring) : ring_(std::move(ring)) {}
  void ring() {
    const std::lock_guard lock(mutex_);
    if (ring_) ring_();
  }
  void silence() {
    const std::lock_guard lock(mutex_);
    ring_ = nullptr;
  }

 private:
  std::mutex mutex_;  // held during the call: silence() must wait for it
  std::function<void()> ring_;
};
using Bells = std::vector<std::shared_ptr<Bell>>;

struct Resource {
  std::string name;
  Index objects;
  // Replaced whole, so that a writer can walk it without the lock.
  std::shared_ptr<const Bells> bells = std::make_shared<const Bells>();
};

struct State {
  State(const Options& options, std::uint64_t version_)
      : version(version_),
        cache(options.cache_bytes),
        history(options.history_events, options.history_bytes, version_) {}

  std::uint64_t version;
  std::map<std::string, std::size_t, std::less<>> numbers;
  std::vector<std::unique_ptr<Resource>> resources;  // by number; never taken away
  Cache cache;
  History history;

  std::size_t number(std::string_view name) {
    if (const auto it = numbers.find(name); it != numbers.end()) return it->second;
    resources.emplace_back(std::make_unique<Resource>())->name = name;
    return numbers.emplace(name, resources.size() - 1).first->second;
  }
  const std::size_t* find_number(std::string_view name) const {
    const auto it = numbers.find(name);
    return it == numbers.end() ? nullptr : &it->second;
  }
};

Result<void> check_moment(const State& state, std::string_view resource, std::uint64_t version) {
  if (version > state.version) {
    return fail(Code::Invalid, "Too large resource version: " + std::to_string(version) +
                                   ", current: " + std::to_string(state.version));
  }
  const std::size_t* number = state.find_number(resource);
  // A resource that was never written has the floor of all.
  const std::uint64_t floor =
      state.history.floor(number == nullptr ? static_cast<std::size_t>(-1) : *number);
  if (version < floor) {
    return fail(Code::Expired, "too old resource version: " + std::to_string(version) + " (" +
                                   std::to_string(floor) + ")");
  }
  return {};
}

/// The states at `version` of the objects that were written since: null for those not there then.
std::map<std::string, RecordRef> undo(const State& state, std::size_t number,
                                      std::uint64_t version) {
  std::map<std::string, RecordRef> then;
  const auto& events = state.history.events(number);
  for (auto it = events.rbegin(); it != events.rend() && it->version > version; ++it) {
    then[place_of(it->now->key.ns, it->now->key.name)] = it->before;
  }
  return then;
}

class StorageImpl final : public Storage {
 public:
  explicit StorageImpl(const Options& options) : options_(options) {}
  Result<void> start();

  Result<RecordRef> get(const Key& key) const override;
  Result<Listing> list(std::string_view resource, std::string_view ns, const Key* after,
                       std::size_t limit, std::uint64_t version) const override;
  Result<RecordRef> create(const Key& key, const Build& build) override {
    return write(EventType::Added, key, 0, build);
  }
  Result<RecordRef> update(const Key& key, std::uint64_t expected, const Build& build) override {
    return write(EventType::Modified, key, expected, build);
  }
  Result<RecordRef> remove(const Key& key, std::uint64_t expected, const Build& build) override {
    return write(EventType::Deleted, key, expected, build);
  }
  std::uint64_t version() const override { return state_->lock()->version; }
  Result<std::unique_ptr<Subscription>> subscribe(std::string_view resource, std::uint64_t version,
                                                  std::function<void()> notify) override;
  void compact() override {
    const auto state = state_->lock();
    state->history.clear(state->version);
  }

  Result<std::vector<Event>> take(std::size_t number, std::uint64_t& position, std::size_t limit);
  void unsubscribe(std::size_t number, const std::shared_ptr<Bell>& bell);

 private:
  struct Target {
    std::size_t number = 0;
    Entry* entry = nullptr;  // stays where it is while we hold the writer's lock
    RecordRef before;
    std::uint64_t version = 0;  // of this write
  };

  Result<RecordRef> write(EventType type, const Key& key, std::uint64_t expected,
                          const Build& build);
  Result<Target> aim(EventType type, const Key& key, std::uint64_t expected);
  Result<void> save(EventType type, const Target& target, const Record& record);
  std::shared_ptr<const Bells> publish(EventType type, const Target& target, const RecordRef& now);
  /// The record of a slot from disk; null when another version is there by now.
  Result<RecordRef> load(const Slot& slot, std::string_view resource) const;
  Result<RecordRef> try_get(const Key& key, bool& moved) const;
  Result<Listing> try_list(std::string_view resource, std::string_view ns, const Key* after,
                           std::size_t limit, std::uint64_t version, bool& moved) const;
  template <class T, class Try>
  Result<T> against_writes(Try attempt) const;

  Options options_;
  mutable NameTable names_;
  std::unique_ptr<Database> database_;  // null without a file
  mutable std::mutex writing_;          // one write at a time; taken before any other lock
  std::unique_ptr<Guarded<State>> state_;
};

class SubscriptionImpl final : public Subscription {
 public:
  SubscriptionImpl(StorageImpl& storage, std::size_t number, std::uint64_t position,
                   std::shared_ptr<Bell> bell)
      : storage_(storage), number_(number), position_(position), bell_(std::move(bell)) {}
  ~SubscriptionImpl() override {
    storage_.unsubscribe(number_, bell_);
    bell_->silence();
  }
  Result<std::vector<Event>> take(std::size_t limit) override {
    return storage_.take(number_, position_, limit);
  }
  std::uint64_t position() const override { return position_; }
  void skip_to(std::uint64_t version) override { position_ = version; }

 private:
  StorageImpl& storage_;
  std::size_t number_;
  std::uint64_t position_;
  std::shared_ptr<Bell> bell_;
};

Result<void> StorageImpl::start() {
  if (options_.path.empty()) {
    state_ = std::make_unique<Guarded<State>>(options_, 1);
    return {};
  }
  State loaded(options_, 1);
  MR_ASSIGN(database_, Database::open(options_.path, [&](StoredHead head) {
              Resource& resource = *loaded.resources[loaded.number(head.key.resource)];
              const auto [it, fresh] =
                  resource.objects.try_emplace(place_of(head.key.ns, head.key.name));
              it->second.version = head.version;
              it->second.row = head.row;
              it->second.packed = pack_attributes(head.key, head.uid, head.attributes, &names_);
              return fresh;
            }));
  loaded.version = database_->version();
  loaded.history.clear(loaded.version);
  state_ = std::make_unique<Guarded<State>>(std::move(loaded));
  return {};
}

Result<RecordRef> StorageImpl::load(const Slot& slot, std::string_view resource) const {
  MR_ASSIGN(StoredBody body, database_->read(slot.row));
  if (body.version != slot.version) return RecordRef();
  auto record = std::make_shared<Record>();
  record->key = key_of(std::string(resource), slot.place);
  record->version = slot.version;
  record->json = std::move(body.json);
  MR_CHECK(unpack_attributes(slot.packed, record->key, &names_, record->uid, record->attributes));
  return RecordRef(std::move(record));
}

template <class T, class Try>
Result<T> StorageImpl::against_writes(Try attempt) const {
  for (int i = 0; i < kTries; ++i) {
    bool moved = false;
    Result<T> result = attempt(moved);
    if (!moved) return result;
  }
  const std::lock_guard no_writes(writing_);
  bool moved = false;
  Result<T> result = attempt(moved);
  if (!moved) return result;
  return fail(Code::Malformed, options_.path +
                                   ": damaged (an object is not what was written); "
                                   "put a good copy back");
}

Result<RecordRef> StorageImpl::try_get(const Key& key, bool& moved) const {
  const auto find = [&](State& state) -> Entry* {
    const std::size_t* number = state.find_number(key.resource);
    if (number == nullptr) return nullptr;
    Index& objects = state.resources[*number]->objects;
    const auto it = objects.find(place_of(key.ns, key.name));
    return it == objects.end() ? nullptr : &it->second;
  };
  Slot slot;
  {
    const auto state = state_->lock();
    Entry* entry = find(*state);
    if (entry == nullptr) return RecordRef();
    if (entry->record != nullptr) {
      if (database_ != nullptr) state->cache.touch(*entry);
      return entry->record;
    }
    slot = {nullptr, entry->row, entry->version, place_of(key.ns, key.name), entry->packed};
  }
  MR_ASSIGN(RecordRef record, load(slot, key.resource));
  moved = record == nullptr;
  if (moved) return record;
  const auto state = state_->lock();
  Entry* entry = find(*state);
  if (entry != nullptr && entry->version == slot.version && entry->record == nullptr) {
    state->cache.hold(*entry, record);
  }
  return record;
}

Result<RecordRef> StorageImpl::get(const Key& key) const {
  return against_writes<RecordRef>([&](bool& moved) { return try_get(key, moved); });
}

Result<Listing> StorageImpl::try_list(std::string_view resource, std::string_view ns,
                                      const Key* after, std::size_t limit, std::uint64_t version,
                                      bool& moved) const {
  Listing listing;
  Gathering gathering(ns, after, limit);
  {
    const auto state = state_->lock();
    if (version != 0) MR_TRY(check_moment(*state, resource, version));
    listing.version = version == 0 ? state->version : version;
    if (const std::size_t* number = state->find_number(resource)) {
      gathering.walk(state->resources[*number]->objects, undo(*state, *number, listing.version));
    }
  }
  listing.remaining = gathering.remaining;
  listing.more = gathering.remaining > 0;
  listing.records.reserve(gathering.slots.size());
  for (Slot& slot : gathering.slots) {
    if (slot.record == nullptr) {
      MR_ASSIGN(slot.record, load(slot, resource));
      moved = slot.record == nullptr;
      if (moved) return listing;
    }
    listing.records.push_back(std::move(slot.record));
  }
  return listing;
}

Result<Listing> StorageImpl::list(std::string_view resource, std::string_view ns, const Key* after,
                                  std::size_t limit, std::uint64_t version) const {
  return against_writes<Listing>(
      [&](bool& moved) { return try_list(resource, ns, after, limit, version, moved); });
}

Result<StorageImpl::Target> StorageImpl::aim(EventType type, const Key& key,
                                             std::uint64_t expected) {
  Target target;
  Slot slot;
  {
    const auto state = state_->lock();
    target.number = state->number(key.resource);
    target.version = state->version + 1;
    Index& objects = state->resources[target.number]->objects;
    const auto it = objects.find(place_of(key.ns, key.name));
    if (type == EventType::Added) {
      if (it == objects.end()) return target;
      return fail(Code::AlreadyExists, key.resource + " \"" + key.name + "\" already exists");
    }
    if (it == objects.end()) {
      return fail(Code::NotFound, key.resource + " \"" + key.name + "\" not found");
    }
    if (it->second.version != expected) {
      return fail(Code::Conflict, key.resource + " \"" + key.name + "\" has version " +
                                      std::to_string(it->second.version) + ", not " +
                                      std::to_string(expected));
    }
    target.entry = &it->second;
    target.before = it->second.record;
    state->cache.pinned = target.entry;
    slot = {nullptr, target.entry->row, expected, it->first, target.entry->packed};
  }
  if (target.before != nullptr) return target;
  MR_ASSIGN(target.before, load(slot, key.resource));
  if (target.before == nullptr) {
    return fail(Code::Malformed, options_.path +
                                     ": damaged (an object is not what was written); "
                                     "put a good copy back");
  }
  const auto state = state_->lock();
  state->cache.hold(*target.entry, target.before);
  return target;
}

Result<void> StorageImpl::save(EventType type, const Target& target, const Record& record) {
  if (database_ == nullptr) return {};
  switch (type) {
    case EventType::Added:
      return database_->insert(record);
    case EventType::Modified:
      return database_->update(target.entry->row, record);
    case EventType::Deleted:
      return database_->remove(target.entry->row, record.version);
  }
  return {};
}

std::shared_ptr<const Bells> StorageImpl::publish(EventType type, const Target& target,
                                                  const RecordRef& now) {
  std::string packed;
  if (database_ != nullptr && type != EventType::Deleted) {
    packed = pack_attributes(now->key, now->uid, now->attributes, &names_);
    packed.shrink_to_fit();
  }
  const auto state = state_->lock();
  Resource& resource = *state->resources[target.number];
  state->version = target.version;
  state->cache.pinned = nullptr;
  if (type == EventType::Deleted) {
    if (database_ != nullptr) state->cache.drop(*target.entry);
    resource.objects.erase(place_of(now->key.ns, now->key.name));
  } else {
    Entry* entry = target.entry;
    if (entry == nullptr) {
      entry = &resource.objects[place_of(now->key.ns, now->key.name)];
      entry->row = static_cast<std::int64_t>(target.version);
    }
    entry->version = target.version;
    entry->packed = std::move(packed);
    if (database_ == nullptr) {
      entry->record = now;
    } else {
      state->cache.hold(*entry, now);
    }
  }
  state->history.add(target.number, {type, target.version, now, target.before});
  return resource.bells;
}

Result<RecordRef> StorageImpl::write(EventType type, const Key& key, std::uint64_t expected,
                                     const Build& build) {
  std::unique_lock writing(writing_);
  MR_ASSIGN(const Target target, aim(type, key, expected));
  MR_ASSIGN(Draft draft, build(target.version));
  auto record = std::make_shared<Record>();
  record->key = key;
  record->uid = std::move(draft.uid);
  record->version = target.version;
  record->json = std::move(draft.json);
  record->json.shrink_to_fit();
  record->attributes = std::move(draft.attributes);
  const RecordRef now = std::move(record);
  MR_TRY(save(type, target, *now));
  const auto bells = publish(type, target, now);
  writing.unlock();
  for (const auto& bell : *bells) bell->ring();
  return now;
}

Result<std::unique_ptr<Subscription>> StorageImpl::subscribe(std::string_view resource,
                                                             std::uint64_t version,
                                                             std::function<void()> notify) {
  const auto state = state_->lock();
  MR_TRY(check_moment(*state, resource, version));
  const std::size_t number = state->number(resource);
  auto bell = std::make_shared<Bell>(std::move(notify));
  auto& bells = state->resources[number]->bells;
  Bells more = *bells;
  more.push_back(bell);
  bells = std::make_shared<const Bells>(std::move(more));
  return std::unique_ptr<Subscription>(
      std::make_unique<SubscriptionImpl>(*this, number, version, std::move(bell)));
}

void StorageImpl::unsubscribe(std::size_t number, const std::shared_ptr<Bell>& bell) {
  const auto state = state_->lock();
  auto& bells = state->resources[number]->bells;
  Bells fewer = *bells;
  std::erase(fewer, bell);
  bells = std::make_shared<const Bells>(std::move(fewer));
}

Result<std::vector<Event>> StorageImpl::take(std::size_t number, std::uint64_t& position,
                                             std::size_t limit) {
  const auto state = state_->lock();
  const std::uint64_t floor = state->history.floor(number);
  if (position < floor) {
    return fail(Code::Expired, "too old resource version: " + std::to_string(position) + " (" +
                                   std::to_string(floor) + ")");
  }
  const auto& events = state->history.events(number);
  const auto first = std::upper_bound(
      events.begin(), events.end(), position,
      [](std::uint64_t version, const Event& event) { return version < event.version; });
  const auto count = std::min(limit, static_cast<std::size_t>(events.end() - first));
  std::vector<Event> taken(first, first + static_cast<std::ptrdiff_t>(count));
  if (first + static_cast<std::ptrdiff_t>(count) == events.end()) {
    position = state->version;
  } else if (count > 0) {
    position = taken.back().version;
  }
  return taken;
}

}  // namespace

Result<std::unique_ptr<Storage>> open_storage(const Options& options) {
  auto storage = std::make_unique<StorageImpl>(options);
  MR_TRY(storage->start());
  return std::unique_ptr<Storage>(std::move(storage));
}

}  // namespace millrace::storage
