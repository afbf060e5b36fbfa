/// Keeps the objects of one kind in a store, as the server has them, and tells of changes.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "kubeclient/base/guarded.h"
#include "kubeclient/base/log.h"
#include "kubeclient/base/metrics.h"
#include "kubeclient/client/typed.h"
#include "kubeclient/codec/json_reader.h"
#include "kubeclient/runtime/reflector.h"
#include "kubeclient/runtime/store.h"

namespace millrace::runtime {

template <class T>
struct InformerOptions {
  std::vector<std::string> namespaces = {""};  ///< "" is all; each takes a watch and a thread
  std::string label_selector = {};
  std::string field_selector = {};
  /// Drop what is not needed, before the object is cached. Pure; runs on several threads.
  std::function<void(T&)> trim = {};
  /// Protocol settings; resource, namespace and selectors are filled in from the above.
  ReflectorOptions protocol = {T::kResource};
};

/// A store that follows the server: one thread `mr-inf-<plural>` per namespace. Writers of objects
/// hand the server's answers to `observe`, so that our own writes are seen at once; the newest
/// version wins, whichever way it came. Handlers get every change once, on the thread that made it
/// (an informer's, or the caller's of observe), with no lock held; after a relist they get every
/// key, held before or listed (old == now where nothing changed). An object that was replaced by
/// another of its name (a different UID) is told as a deletion and a creation. They only add keys
/// to queues.
template <class T>
class Informer {
 public:
  using Handler = std::function<void(const Ref<T>& old, const Ref<T>& now)>;

  Informer(client::Reader& reader, InformerOptions<T> options, const Env& env)
      : options_(std::move(options)),
        env_(env),
        objects_(env.metrics.gauge("millrace_cache_objects", "Objects cached.", labels())),
        bytes_(env.metrics.gauge("millrace_cache_bytes", "Estimated memory of cached objects.",
                                 labels())),
        undecodable_(env.metrics.counter("millrace_watch_undecodable_total",
                                         "Objects that could not be read.", labels())),
        unsynced_(options_.namespaces.size()) {
    MR_CHECK(!options_.namespaces.empty());
    for (const std::string& ns : options_.namespaces) {
      ReflectorOptions protocol = options_.protocol;
      protocol.resource = T::kResource;
      protocol.ns = ns;
      protocol.label_selector = options_.label_selector;
      protocol.field_selector = options_.field_selector;
      lanes_.push_back(std::make_unique<Lane>(*this, reader, std::move(protocol), env));
    }
  }
  ~Informer() { stop(); }
  Informer(const Informer&) = delete;
  Informer& operator=(const Informer&) = delete;

  /// Before start only.
  void add_index(std::string name, typename Store<T>::IndexFunction function) {
    store_.add_index(std::move(name), std::move(function));
  }
  /// Before start only.
  void on_change(Handler handler) { handlers_.push_back(std::move(handler)); }

  /// Begin to follow the server. Once.
  void start() {
    for (auto& lane : lanes_) {
      threads_.emplace_back([this, raw = lane.get()] {
        name_this_thread("mr-inf-" + std::string(T::kResource.plural));
        raw->reflector.run(stop_.get_token());
      });
    }
  }
  /// Take one step of one namespace's reflector, in turns, without waiting; false when none has
  /// anything to do now. For programs without threads, instead of `start`.
  bool advance() {
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
      Lane& lane = *lanes_[next_lane_++ % lanes_.size()];
      if (lane.reflector.advance()) return true;
    }
    return false;
  }
  /// When `advance` has something to do by time alone.
  SteadyTime next_due() const {
    SteadyTime next = SteadyTime::max();
    for (const auto& lane : lanes_) next = std::min(next, lane->reflector.next_due());
    return next;
  }
  /// End the watches and join; the content stays readable. Safe to repeat.
  void stop() {
    stop_.request_stop();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  const Store<T>& store() const { return store_; }
  /// All namespaces have been read once.
  bool has_synced() const { return *unsynced_.lock() == 0; }
  /// Wait for that; false when `stop` or `deadline` came first.
  bool wait_synced(const std::stop_token& stop, SteadyTime deadline) const {
    auto left = unsynced_.lock();
    const Duration most = std::chrono::hours(24);  // keeps the wait's arithmetic from overflowing
    return synced_.wait_for(left.lock(), stop, std::min(most, deadline - env_.clock.steady()),
                            [&] { return *left == 0; });
  }

  /// Put the server's answer to a write of ours into the store, if it is newer; the object as it is
  /// kept there.
  Ref<T> observe(T object) {
    if (options_.trim) options_.trim(object);
    auto kept = std::make_shared<const T>(std::move(object));
    apply(kept);
    return kept;
  }
  /// The same for the answer's text. Errors: Malformed; the watch will bring the object anyway.
  Result<Ref<T>> observe_text(std::string_view json) {
    MR_ASSIGN(T object, codec::decode<T>(json));
    if (object.metadata.name.empty()) return fail(Code::Malformed, "object without a name");
    return observe(std::move(object));
  }
  /// Note that a delete of ours took effect at `version` (0: unknown). Only where the server said
  /// that the object is gone: one that still has finalizers or a grace period is not.
  void observe_deleted(const ObjectKey& key, std::uint64_t version) {
    if (const auto change = store_.remove(key, version)) tell(*change);
    publish();
  }
  /// Hold this object no longer, although it exists; handlers are not told. It comes back, as a new
  /// one, when it changes or with the next list. May be called by handlers.
  void drop(const ObjectKey& key) {
    store_.drop(key);
    publish();
  }

 private:
  /// The side of one reflector.
  struct Lane final : ReflectorSink {
    Lane(Informer& informer, client::Reader& reader, ReflectorOptions protocol, const Env& env)
        : owner(informer), ns(protocol.ns), reflector(reader, *this, std::move(protocol), env) {}

    WatchInput read_event(WatchEventType type, std::string_view line) override;
    WatchInput read_page(std::string_view text) override;
    void perform(WatchEffect effect, const std::string& version) override;
    /// Trim and share; null for an object without a name.
    Ref<T> admit(T&& object);
    void collect();
    void uncollect();
    void swap(const std::string& version);
    void count_unreadable(const ObjectKey& key, const std::string& error);

    Informer& owner;
    std::string ns;
    std::vector<Ref<T>> pending;     ///< what was read last
    std::vector<Ref<T>> collection;  ///< of a list or watch-list under way
    std::string problem;             ///< of the last unreadable object
    ObjectKey problem_key;
    std::uint64_t seen = 0;  ///< highest version that a watch or list of this lane reached
    bool synced = false;
    Reflector reflector;
  };

  static MetricLabels labels() { return {{"resource", std::string(T::kResource.plural)}}; }

  void apply(Ref<T> object) {
    if (const auto change = store_.put(std::move(object))) tell(*change);
    publish();
  }
  void tell(const Change<T>& change) const {
    const auto& [old, now] = change;
    // Another object of the same name: its predecessor's end was not seen, but has to be told.
    if (old && now && old->metadata.uid != now->metadata.uid) {
      for (const Handler& handler : handlers_) handler(old, nullptr);
      for (const Handler& handler : handlers_) handler(nullptr, now);
      return;
    }
    for (const Handler& handler : handlers_) handler(old, now);
  }
  void publish() {
    objects_.set(static_cast<std::int64_t>(store_.size()));
    bytes_.set(static_cast<std::int64_t>(store_.bytes()));
  }

  InformerOptions<T> options_;
  Env env_;
  Gauge& objects_;
  Gauge& bytes_;
  Counter& undecodable_;
  Store<T> store_;
  std::vector<Handler> handlers_;
  Guarded<std::size_t> unsynced_;  ///< lanes that have not been read once
  mutable std::condition_variable_any synced_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::size_t next_lane_ = 0;  ///< of `advance` only
  std::stop_source stop_;
  std::vector<std::thread> threads_;
};

template <class T>
Ref<T> Informer<T>::Lane::admit(T&& object) {
  if (object.metadata.name.empty()) return nullptr;
  if (owner.options_.trim) owner.options_.trim(object);
  return std::make_shared<const T>(std::move(object));
}

template <class T>
WatchInput Informer<T>::Lane::read_event(WatchEventType type, std::string_view line) {
  pending.clear();
  WatchObject<T> event;
  const auto& errors = codec::thread_reader().read(line, event);
  if (errors.empty()) {
    if (Ref<T> object = admit(std::move(event.object))) {
      pending.push_back(std::move(object));
      return {
          type == WatchEventType::Deleted ? WatchInput::Kind::Deleted : WatchInput::Kind::Changed,
          pending.front()->metadata.resource_version};
    }
    problem = "object without a name";
  } else {
    problem = codec::to_string(errors.front());
  }
  auto head = read_head(line);
  if (!head.ok()) return {WatchInput::Kind::Garbled};
  problem_key = head->key();
  if (type == WatchEventType::Deleted && !problem_key.name.empty()) {
    // Its name is all that a deletion needs.
    T object{};
    object.metadata.ns = problem_key.ns;
    object.metadata.name = problem_key.name;
    object.metadata.resource_version = head->metadata.resource_version;
    pending.push_back(std::make_shared<const T>(std::move(object)));
    return {WatchInput::Kind::Deleted, std::move(head->metadata.resource_version)};
  }
  return {WatchInput::Kind::Undecodable, std::move(head->metadata.resource_version)};
}

template <class T>
WatchInput Informer<T>::Lane::read_page(std::string_view text) {
  pending.clear();
  client::ListPage<T> page;
  if (codec::thread_reader().read(text, page).empty()) {
    pending.reserve(page.items.size());
    for (T& item : page.items) {
      if (Ref<T> object = admit(std::move(item))) {
        pending.push_back(std::move(object));
      } else {
        count_unreadable({}, "object without a name");
      }
    }
    return {WatchInput::Kind::Page, std::move(page.metadata.resource_version),
            std::move(page.metadata.continue_token)};
  }
  // One of them does not fit: read them one by one.
  auto head = codec::decode<client::ListPage<ObjectHead>>(text);
  const auto items = split_items(text);
  auto meta = codec::decode<ListHead>(text);
  if (!meta.ok() || !items.ok()) return {WatchInput::Kind::Failed, {}, {}, Code::Malformed};
  for (std::size_t i = 0; i < items->size(); ++i) {
    auto item = codec::decode<T>((*items)[i]);
    Ref<T> object = item.ok() ? admit(*std::move(item)) : nullptr;
    if (object) {
      pending.push_back(std::move(object));
      continue;
    }
    const bool named = head.ok() && i < head->items.size();
    count_unreadable(named ? head->items[i].key() : ObjectKey{},
                     item.ok() ? "object without a name" : item.error().message);
  }
  return {WatchInput::Kind::Page, std::move(meta->metadata.resource_version),
          std::move(meta->metadata.continue_token)};
}

template <class T>
void Informer<T>::Lane::perform(WatchEffect effect, const std::string& version) {
  switch (effect) {
    case WatchEffect::None:
      break;
    case WatchEffect::Restart:
      pending.clear();
      collection = {};
      break;
    case WatchEffect::Collect:
      collect();
      break;
    case WatchEffect::Uncollect:
      uncollect();
      break;
    case WatchEffect::Swap:
      swap(version);
      break;
    case WatchEffect::Apply:
      seen = std::max(seen, api::version_number(version));
      owner.apply(std::move(pending.front()));
      pending.clear();
      break;
    case WatchEffect::Remove: {
      seen = std::max(seen, api::version_number(version));
      const api::ObjectMeta& meta = pending.front()->metadata;
      owner.observe_deleted(api::key_of(meta), api::version_number(meta.resource_version));
      pending.clear();
      break;
    }
    case WatchEffect::Skip:
      count_unreadable(problem_key, problem.empty() ? "not JSON, or too long" : problem);
      problem_key = {};
      problem.clear();
      break;
  }
}

template <class T>
void Informer<T>::Lane::collect() {
  for (Ref<T>& object : pending) {
    // What did not change is not held twice while the list is under way.
    Ref<T> held = owner.store_.get(api::key_of(object->metadata));
    const bool same = held && held->metadata.resource_version == object->metadata.resource_version;
    collection.push_back(same ? std::move(held) : std::move(object));
  }
  pending.clear();
}

template <class T>
void Informer<T>::Lane::uncollect() {
  const ObjectKey key = api::key_of(pending.front()->metadata);
  std::erase_if(collection, [&](const Ref<T>& object) {
    return object->metadata.name == key.name && object->metadata.ns == key.ns;
  });
  pending.clear();
}

template <class T>
void Informer<T>::Lane::swap(const std::string& version) {
  collect();
  const std::uint64_t number = api::version_number(version);
  // A list is never older than what was seen, unless the server was restored from a backup.
  const bool reset = number != 0 && number < seen;
  seen = reset ? number : std::max(seen, number);
  auto changes = owner.store_.replace(ns, std::exchange(collection, {}), number,
                                      reset ? ReplaceMode::Reset : ReplaceMode::KeepNewer);
  owner.publish();
  for (const Change<T>& change : changes) owner.tell(change);
  const std::uint64_t count = changes.size();
  std::vector<Change<T>>().swap(changes);
  std::vector<Ref<T>>().swap(pending);
  return_free_memory();  // pages of a list are many times larger than what is kept of them
  if (!std::exchange(synced, true)) {
    --*owner.unsynced_.lock();
    owner.synced_.notify_all();
    owner.env_.log.info("cache synced", {kv("resource", T::kResource.plural), kv("namespace", ns),
                                         kv("objects", count)});
  }
}

template <class T>
void Informer<T>::Lane::count_unreadable(const ObjectKey& key, const std::string& error) {
  owner.undecodable_.add();
  owner.env_.log.warn("object skipped, it cannot be read",
                      {kv("resource", T::kResource.plural), kv("object", key), kv("error", error)});
}

}  // namespace millrace::runtime
