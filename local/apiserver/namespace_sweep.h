/// Empties namespaces that are being deleted, and lets them go.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>

#include "local/apiserver/garbage.h"

namespace millrace::apiserver {

/// For one thread.
class NamespaceSweep {
 public:
  NamespaceSweep(storage::Storage& storage, GarbageWriter& writer)
      : storage_(storage), writer_(writer) {}

  /// A namespace was seen to be on its way out, or to be gone.
  void leaving(const std::string& name) { progress_.try_emplace(name); }
  void gone(const std::string& name) { progress_.erase(name); }
  bool is_leaving(const std::string& name) const { return progress_.contains(name); }
  /// Something came into it after all: look at everything again.
  void refill(const std::string& name);

  /// One write, or the finding that all has been asked to go. Says whether there is more to do
  /// now.
  Result<bool> step(const std::string& name);

 private:
  /// How far deleting has come; at the end, what has finalizers is waited for.
  struct Progress {
    std::size_t kind = 0;  ///< index into kinds()
    std::optional<storage::Key> after;
  };

  Result<bool> delete_next(const std::string& name, Progress& progress);
  Result<bool> is_empty(const std::string& name) const;

  storage::Storage& storage_;
  GarbageWriter& writer_;
  std::map<std::string, Progress> progress_;
};

}  // namespace millrace::apiserver
