/// The cached objects of one kind: many readers, and writers of whom the newest version wins.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "kubeclient/api/meta.h"
#include "kubeclient/base/guarded.h"
#include "kubeclient/base/object_key.h"
#include "kubeclient/base/result.h"
#include "kubeclient/runtime/footprint.h"

namespace millrace::runtime {

/// A cached object. Never changed once it is in a store.
template <class T>
using Ref = std::shared_ptr<const T>;

/// What one write did: `old` is null for a new object, `now` for a deleted one. Both are the same
/// when a relist met what was known already.
template <class T>
struct Change {
  Ref<T> old;
  Ref<T> now;
};

/// How far to trust what a store holds beyond a list.
enum class ReplaceMode {
  KeepNewer,  ///< objects newer than the list stay: written after it was taken
  Reset,      ///< the server's versions began anew: only the list counts
};

namespace detail {

/// True when an object of version `next` may take the place of one of version `have`. A version
/// that is no number compares with nothing; then the latest word wins.
inline bool newer(std::uint64_t next, std::uint64_t have) {
  return next == 0 || have == 0 || next > have;
}

/// Objects by the hash of an index value. One object in a bucket costs no further allocation.
template <class T>
class HashIndex {
 public:
  void insert(std::uint64_t hash, const T* object) {
    Bucket& bucket = buckets_[hash];
    if (bucket.first == nullptr) {
      bucket.first = object;
      return;
    }
    if (!bucket.more) bucket.more = std::make_unique<std::vector<const T*>>();
    bucket.more->push_back(object);
  }
  void replace(std::uint64_t hash, const T* old, const T* now) {
    const auto it = buckets_.find(hash);
    if (it->second.first == old) {
      it->second.first = now;
      return;
    }
    // From the end: of many runs of a Pipeline it is the youngest that change.
    auto& more = *it->second.more;
    *std::find(more.rbegin(), more.rend(), old) = now;
  }
  void erase(std::uint64_t hash, const T* object) {
    const auto it = buckets_.find(hash);
    Bucket& bucket = it->second;
    if (bucket.more) {
      replace(hash, object, bucket.more->back());  // order counts not
      bucket.more->pop_back();
      if (bucket.more->empty()) bucket.more.reset();
    } else {
      buckets_.erase(it);
    }
  }
  template <class Visit>
  void each(std::uint64_t hash, const Visit& visit) const {
    const auto it = buckets_.find(hash);
    if (it == buckets_.end()) return;
    visit(*it->second.first);
    if (!it->second.more) return;
    for (const T* object : *it->second.more) visit(*object);
  }

 private:
  struct Bucket {
    const T* first = nullptr;
    std::unique_ptr<std::vector<const T*>> more;
  };
  std::unordered_map<std::uint64_t, Bucket> buckets_;
};

}  // namespace detail

/// Cached objects with indexes. Safe from any thread; each read sees one moment. Deletions are
/// remembered for a while, so that the late answer of a write does not bring an object back.
template <class T>
class Store {
 public:
  /// The values under which an object is found; none is fine. Pure and cheap: runs under the lock.
  using IndexFunction = std::function<std::vector<std::string>(const T&)>;

  /// `tombstones`: deletions remembered, the oldest go first.
  explicit Store(std::size_t tombstones = 4096) : state_(tombstones) {}
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  /// Add an index. Only while the store is empty.
  void add_index(std::string name, IndexFunction function) {
    auto state = state_.lock();
    MR_CHECK(state->objects.empty());
    state->indexes.push_back({std::move(name), std::move(function), {}});
  }

  /// The object, or null.
  Ref<T> get(const ObjectKey& key) const {
    const auto state = state_.lock();
    const auto it = state->objects.find(key);
    return it == state->objects.end() ? nullptr : *it;
  }
  /// All objects, or those of one namespace; in no order.
  std::vector<Ref<T>> list() const {
    const auto state = state_.lock();
    return {state->objects.begin(), state->objects.end()};
  }
  std::vector<Ref<T>> list(std::string_view ns) const {
    std::vector<Ref<T>> out;
    const auto state = state_.lock();
    for (const Ref<T>& object : state->objects) {
      if (object->metadata.ns == ns) out.push_back(object);
    }
    return out;
  }
  /// The objects that have `value` in the index `name`, in no order. An unknown index is a bug.
  std::vector<Ref<T>> by_index(std::string_view name, const std::string& value) const {
    std::vector<Ref<T>> out;
    const auto state = state_.lock();
    const Index& index = find_index(*state, name);
    index.entries.each(hash_of(value), [&](const T& object) {
      for (const std::string& have : index.function(object)) {
        if (have != value) continue;
        out.push_back(*state->objects.find(api::key_of(object.metadata)));
        break;
      }
    });
    return out;
  }
  std::size_t size() const { return size_.load(std::memory_order_relaxed); }
  /// Estimated memory of the objects [bytes].
  std::size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

  /// Put an object that is newer than what is known of its key. Nothing when it is not.
  std::optional<Change<T>> put(Ref<T> object) {
    auto state = state_.lock();
    auto change = put_locked(*state, std::move(object));
    publish(*state);
    return change;
  }

  /// Remove the object of `key` as of `version`, the resourceVersion of the deletion; 0 if unknown,
  /// then whatever is held now is what was deleted. Nothing when the key is not held or held newer.
  std::optional<Change<T>> remove(const ObjectKey& key, std::uint64_t version) {
    auto state = state_.lock();
    const auto it = state->objects.find(key);
    if (it == state->objects.end()) {
      bury(*state, key, version);
      return std::nullopt;
    }
    const std::uint64_t have = api::version_number((*it)->metadata.resource_version);
    if (version != 0 && have > version) return std::nullopt;
    auto change = remove_locked(*state, it, std::max(version, have));
    publish(*state);
    return change;
  }

  /// Hold the object of `key` no longer, although it exists: nobody will ask for it again. It comes
  /// back when it changes, or with the next list.
  void drop(const ObjectKey& key) {
    auto state = state_.lock();
    const auto it = state->objects.find(key);
    if (it == state->objects.end()) return;
    // A late event of an older version must not bring an older state back.
    const std::uint64_t have = api::version_number((*it)->metadata.resource_version);
    take_out_locked(*state, it);
    if (have > 0) bury(*state, key, have - 1);
    publish(*state);
  }

  /// Make `objects`, a list taken at `version`, the content of namespace `ns` ("" is all) in one
  /// step. Gives a change for each key, held before or listed; also for what stayed the same.
  std::vector<Change<T>> replace(std::string_view ns, std::vector<Ref<T>> objects,
                                 std::uint64_t version, ReplaceMode mode) {
    std::vector<Change<T>> changes;
    changes.reserve(objects.size());
    auto state = state_.lock();
    if (mode == ReplaceMode::Reset) {
      state->tombstones.clear();
      state->burials.clear();
    }
    state->floors.erase(std::string(ns));  // this list's word counts, whatever an older one said
    std::unordered_set<const T*> kept;     // what the list has, as the store holds it now
    kept.reserve(objects.size());
    for (Ref<T>& object : objects) {
      // What the list has is there, whatever a deletion before it said.
      if (version != 0 && !state->tombstones.empty()) {
        const auto grave = state->tombstones.find(api::key_of(object->metadata));
        if (grave != state->tombstones.end() && grave->second <= version) {
          state->tombstones.erase(grave);
        }
      }
      auto& held = state->objects;
      const auto it = held.find(*object);
      const Ref<T> old = it == held.end() ? nullptr : *it;
      auto change = mode == ReplaceMode::Reset && old ? swap_locked(*state, it, std::move(object))
                                                      : put_locked(*state, std::move(object));
      if (!change && !old) continue;  // deleted since the list was taken
      if (!change) change = Change<T>{old, old};
      kept.insert(change->now.get());
      changes.push_back(*std::move(change));
    }
    for (auto it = state->objects.begin(); it != state->objects.end();) {
      const T& object = **it;
      const std::uint64_t have = api::version_number(object.metadata.resource_version);
      const bool gone = (ns.empty() || object.metadata.ns == ns) && !kept.contains(&object) &&
                        (mode == ReplaceMode::Reset || have <= version || version == 0);
      const auto next = std::next(it);
      if (gone) changes.push_back(remove_locked(*state, it, std::max(version, have)));
      it = next;
    }
    if (version != 0) state->floors[std::string(ns)] = version;
    publish(*state);
    return changes;
  }

 private:
  struct KeyView {
    std::string_view ns;
    std::string_view name;
    bool operator==(const KeyView&) const = default;
  };
  static KeyView view(const ObjectKey& key) { return {key.ns, key.name}; }
  static KeyView view(const T& object) { return {object.metadata.ns, object.metadata.name}; }
  static KeyView view(const Ref<T>& object) { return view(*object); }
  /// Objects are found by their own names: no second copy of the key is held.
  struct KeyHash {
    using is_transparent = void;
    template <class K>
    std::size_t operator()(const K& key) const noexcept {
      const KeyView v = view(key);
      const std::size_t a = std::hash<std::string_view>{}(v.ns);
      return std::hash<std::string_view>{}(v.name) ^ (a * 0x9e3779b97f4a7c15ULL + (a >> 7));
    }
  };
  struct KeyEqual {
    using is_transparent = void;
    template <class A, class B>
    bool operator()(const A& a, const B& b) const noexcept {
      return view(a) == view(b);
    }
  };
  using Objects = std::unordered_set<Ref<T>, KeyHash, KeyEqual>;

  struct Index {
    std::string name;
    IndexFunction function;
    detail::HashIndex<T> entries;
  };
  struct State {
    explicit State(std::size_t limit) : tombstone_limit(limit) {}
    Objects objects;
    std::vector<Index> indexes;
    std::size_t tombstone_limit;
    std::unordered_map<ObjectKey, std::uint64_t> tombstones;  ///< version of the deletion
    std::deque<ObjectKey> burials;                            ///< oldest first; may be stale
    std::unordered_map<std::string, std::uint64_t> floors;    ///< version of the last list, by ns
    std::size_t bytes = 0;
  };

  static std::uint64_t hash_of(const std::string& value) { return std::hash<std::string>{}(value); }
  static const Index& find_index(const State& state, std::string_view name) {
    for (const Index& index : state.indexes) {
      if (index.name == name) return index;
    }
    MR_CHECK(!"index was added");
    return state.indexes.front();
  }

  /// Distinct hashes of what the index says about `object`.
  static std::vector<std::uint64_t> hashes(const Index& index, const T& object) {
    std::vector<std::uint64_t> out;
    for (const std::string& value : index.function(object)) {
      const std::uint64_t hash = hash_of(value);
      bool known = false;
      for (const std::uint64_t have : out) known = known || have == hash;
      if (!known) out.push_back(hash);
    }
    return out;
  }

  /// The version up to which everything in `ns` is known by lists.
  static std::uint64_t floor_of(const State& state, const std::string& ns) {
    std::uint64_t floor = 0;
    for (const auto* name : {&ns, &kAllNamespaces}) {
      const auto it = state.floors.find(*name);
      if (it != state.floors.end()) floor = std::max(floor, it->second);
    }
    return floor;
  }

  static std::optional<Change<T>> put_locked(State& state, Ref<T> object) {
    const std::uint64_t next = api::version_number(object->metadata.resource_version);
    const auto it = state.objects.find(object);
    if (it != state.objects.end()) {
      if (!detail::newer(next, api::version_number((*it)->metadata.resource_version))) {
        return std::nullopt;
      }
      return swap_locked(state, it, std::move(object));
    }
    // A list taken later did not have it: deleted since, by an event that no watch will bring.
    if (next != 0 && next <= floor_of(state, object->metadata.ns)) return std::nullopt;
    if (!state.tombstones.empty()) {
      const auto grave = state.tombstones.find(api::key_of(object->metadata));
      if (grave != state.tombstones.end()) {
        if (next != 0 && next <= grave->second) return std::nullopt;
        state.tombstones.erase(grave);
      }
    }
    for (Index& index : state.indexes) {
      for (const std::uint64_t hash : hashes(index, *object)) {
        index.entries.insert(hash, object.get());
      }
    }
    state.bytes += footprint(*object);
    state.objects.insert(object);
    return Change<T>{nullptr, std::move(object)};
  }

  static Change<T> swap_locked(State& state, typename Objects::iterator it, Ref<T> object) {
    Ref<T> old = *it;
    for (Index& index : state.indexes) {
      const auto before = hashes(index, *old);
      const auto after = hashes(index, *object);
      if (before == after) {
        for (const std::uint64_t hash : before) {
          index.entries.replace(hash, old.get(), object.get());
        }
        continue;
      }
      for (const std::uint64_t hash : before) index.entries.erase(hash, old.get());
      for (const std::uint64_t hash : after) index.entries.insert(hash, object.get());
    }
    state.bytes += footprint(*object);
    state.bytes -= footprint(*old);
    auto node = state.objects.extract(it);
    node.value() = object;
    state.objects.insert(std::move(node));
    return {std::move(old), std::move(object)};
  }

  static Ref<T> take_out_locked(State& state, typename Objects::iterator it) {
    Ref<T> old = *it;
    for (Index& index : state.indexes) {
      for (const std::uint64_t hash : hashes(index, *old)) index.entries.erase(hash, old.get());
    }
    state.bytes -= footprint(*old);
    state.objects.erase(it);
    return old;
  }

  static Change<T> remove_locked(State& state, typename Objects::iterator it,
                                 std::uint64_t version) {
    Ref<T> old = take_out_locked(state, it);
    bury(state, api::key_of(old->metadata), version);
    return {std::move(old), nullptr};
  }

  static void bury(State& state, ObjectKey key, std::uint64_t version) {
    const auto [grave, fresh] = state.tombstones.try_emplace(key, version);
    grave->second = std::max(grave->second, version);
    if (fresh) state.burials.push_back(std::move(key));
    while (state.burials.size() > state.tombstone_limit) {
      state.tombstones.erase(state.burials.front());
      state.burials.pop_front();
    }
  }

  void publish(const State& state) {
    size_.store(state.objects.size(), std::memory_order_relaxed);
    bytes_.store(state.bytes, std::memory_order_relaxed);
  }

  inline static const std::string kAllNamespaces;

  Guarded<State> state_;
  std::atomic<std::size_t> size_{0};
  std::atomic<std::size_t> bytes_{0};
};

}  // namespace millrace::runtime
