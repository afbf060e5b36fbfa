/// The API server's own housekeeping: what owners leave behind, namespaces, and old Events.
///
/// Does what garbage collector and namespace controller do in a real control plane, and what the
/// lifetime of Events does there. Driven by the storage's events, one piece of work at a time, so
/// that a simulation can step it; without writes it has nothing to do but what time brings.
/// Source: Kubernetes, pkg/controller/garbagecollector and pkg/controller/namespace.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "kubeclient/base/clock.h"
#include "kubeclient/base/result.h"
#include "kubeclient/codec/value.h"
#include "local/apiserver/strategy.h"
#include "local/storage/storage.h"

namespace millrace::apiserver {

/// How housekeeping writes: through the same code as requests. Errors NotFound and Conflict (the
/// UID is another one) mean that the work is done; all others are tried again later.
class GarbageWriter {
 public:
  virtual ~GarbageWriter() = default;
  /// Delete as a client does, provided the object has this UID.
  virtual Result<void> remove(const storage::Key& key, const std::string& uid,
                              Propagation propagation) = 0;
  /// Change the object, provided it has this UID; `edit` says false when nothing is to be changed,
  /// and may be called again after a concurrent write. The whole object may be edited, status too,
  /// and it goes when the edit took the last finalizer of a deletion.
  virtual Result<void> edit(const storage::Key& key, const std::string& uid,
                            const std::function<bool(codec::Value&)>& edit) = 0;
};

struct GarbageOptions {
  Duration event_ttl = std::chrono::hours(1);  ///< Events live so long after their last write
};

/// Housekeeping of one storage. For one thread, but for `wake`.
class Garbage {
 public:
  /// `wake` is called from writers' threads when there may be work; it only wakes somebody. All
  /// references outlive this. The first pieces of work read what is there.
  Garbage(storage::Storage& storage, GarbageWriter& writer, GarbageOptions options,
          std::function<void()> wake);
  ~Garbage();
  Garbage(const Garbage&) = delete;
  Garbage& operator=(const Garbage&) = delete;

  /// Do one piece of work (some storage events, or one write); false when there is none now.
  bool work_once(Time now);
  /// When time alone brings work; none: not before the next write. After `work_once` said false.
  std::optional<Time> next_due() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::apiserver
