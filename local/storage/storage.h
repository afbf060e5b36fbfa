/// Versioned objects: what is now, what changed lately, and all of it on disk.
///
/// One counter gives every write its version (resourceVersion), as etcd does. A write is answered
/// only after SQLite committed it (WAL, synchronous=NORMAL): what was answered survives the death
/// of the process, kill -9 too. A power failure or a crash of the kernel may take the last moments,
/// but leaves the file whole, as it was at some earlier write.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kubeclient/base/result.h"

namespace millrace::storage {

/// The address of an object. Orders by resource, then namespace, then name.
struct Key {
  std::string resource;  ///< "pods" or "jobs.batch"; the storage does not interpret it
  std::string ns;        ///< empty for cluster-wide kinds
  std::string name;
  auto operator<=>(const Key&) const = default;
};

using Pairs = std::vector<std::pair<std::string, std::string>>;  ///< sorted by key, keys unique

/// What selectors look at.
struct Attributes {
  Pairs labels;
  Pairs fields;  ///< "metadata.name", "status.phase", ...
  bool operator==(const Attributes&) const = default;
};

/// One version of an object; never changed.
struct Record {
  Key key;
  std::string uid;
  std::uint64_t version = 0;
  std::string json;  ///< the whole object, with `version` as its metadata.resourceVersion
  Attributes attributes;
};
using RecordRef = std::shared_ptr<const Record>;

/// What a write puts: made under the storage's lock, once the version is known.
struct Draft {
  std::string uid;
  std::string json;
  Attributes attributes;
};
/// Make the draft for `version`. Cheap and without calls back into the storage. An error ends the
/// write without effect and is passed on.
using Build = std::function<Result<Draft>(std::uint64_t version)>;

enum class EventType { Added, Modified, Deleted };

/// One write, as watches see it.
struct Event {
  EventType type = EventType::Added;
  std::uint64_t version = 0;
  RecordRef now;     ///< Deleted: the last state, with the deletion's version in it
  RecordRef before;  ///< null for Added
};

/// Some objects of one moment, ordered by key.
struct Listing {
  std::vector<RecordRef> records;
  std::uint64_t version = 0;  ///< the moment
  bool more = false;          ///< the limit cut it; go on after the last record's key
  std::size_t remaining = 0;  ///< objects of the moment after the last one
};

struct Options {
  std::string path = {};                ///< of the SQLite file; empty keeps all in memory only
  std::size_t history_events = 4096;    ///< kept per resource, at most
  std::size_t history_bytes = 4 << 20;  ///< in the histories of all resources together, about
  std::size_t cache_bytes = 2 << 20;    ///< JSON held in memory when there is a file; rest is read
};

/// Pulls the writes of one resource in order. One reader; does not block.
class Subscription {
 public:
  virtual ~Subscription() = default;
  /// The next events, at most `limit`; empty when there is none yet. Errors: Expired when the
  /// history no longer reaches back to where this one stands.
  virtual Result<std::vector<Event>> take(std::size_t limit) = 0;
  /// Everything up to this version has been taken.
  virtual std::uint64_t position() const = 0;
  /// Go on after `version`, a position of another subscription of the same resource which was where
  /// this one is: its reader has told what is between.
  virtual void skip_to(std::uint64_t version) = 0;
};

/// The store. Safe from any thread; writes are one after another, reads do not wait for the disk.
class Storage {
 public:
  virtual ~Storage() = default;

  /// The object, or null. Errors: Unavailable when the file cannot be read, Malformed when what it
  /// gives is damaged.
  virtual Result<RecordRef> get(const Key& key) const = 0;
  /// Objects of `resource`, in `ns` unless that is empty, after key `after` (by ns and name), at
  /// most `limit` (0: all), as they were at `version` (0: now). Errors: Expired when the history
  /// does not reach back to `version`; Invalid when it lies in the future.
  virtual Result<Listing> list(std::string_view resource, std::string_view ns, const Key* after,
                               std::size_t limit, std::uint64_t version) const = 0;

  /// Errors of writes, besides those of `build`: Unavailable when the disk refuses (nothing is
  /// changed then, and the message says what to do about it), Malformed when the file turns out to
  /// be damaged. Also: AlreadyExists.
  virtual Result<RecordRef> create(const Key& key, const Build& build) = 0;
  /// Replace the object if its version is `expected`. Also: NotFound, Conflict.
  virtual Result<RecordRef> update(const Key& key, std::uint64_t expected, const Build& build) = 0;
  /// Delete it if its version is `expected`; `build` makes the last state. Also: NotFound,
  /// Conflict.
  virtual Result<RecordRef> remove(const Key& key, std::uint64_t expected, const Build& build) = 0;

  /// Version of the latest write; at least 1.
  virtual std::uint64_t version() const = 0;
  /// Follow the writes of `resource` after `version`. `notify` is called after each such write, on
  /// the writer's thread; it only wakes somebody. It is not called once the subscription is
  /// destroyed: the destructor waits for a call under way, so destroy it neither in `notify` nor
  /// under a lock that `notify` takes. Errors: Expired; Invalid when `version` lies in the future.
  /// All subscriptions end before the storage does.
  virtual Result<std::unique_ptr<Subscription>> subscribe(std::string_view resource,
                                                          std::uint64_t version,
                                                          std::function<void()> notify) = 0;
  /// Forget the history up to now, as a compaction does: older watches and continue tokens expire.
  virtual void compact() = 0;
};

/// Open or create. The history is empty then: versions before the present one are Expired. Beside
/// the file lie PATH-wal, PATH-shm and PATH.lock; all are for this user only. Errors: Unavailable
/// (folder missing, not writable, disk full, held by another process), Malformed (the file is
/// damaged, not ours, or of a later release; it is left alone, and the message names it and the
/// cure).
Result<std::unique_ptr<Storage>> open_storage(const Options& options);

}  // namespace millrace::storage
