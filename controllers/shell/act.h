/// Turning a plan's actions into API calls, with every answer put into the caches at once.
#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "controllers/logic/action.h"
#include "kubeclient/base/result.h"
#include "kubeclient/client/client.h"

namespace millrace::shell {

/// Which version of an object a write made.
struct Version {
  std::string resource_version;
  std::int64_t generation = 0;
};

/// Takes the answers of our own writes (to put them into the caches, newest version wins).
class WriteObserver {
 public:
  virtual ~WriteObserver() = default;
  /// `json` is the object of `resource` as the server stored it. What was read of it; nothing when
  /// it is of no interest or cannot be read.
  virtual std::optional<Version> wrote(const api::ApiResource& resource,
                                       const std::string& json) = 0;
};

/// What is read of any answer.
struct Written {
  api::ObjectMeta metadata;
  bool operator==(const Written&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("metadata", self.metadata);
  }
};

/// How an action ended.
struct ActionResult {
  Version version;             ///< of the object after the write; empty for deletions
  bool existed = false;        ///< Create: it was there already and is ours
  api::ObjectMeta found = {};  ///< if it existed: its own
};

/// Answers to a Create that a planner has something to say about. Failures of the connection are
/// none: the queue repeats them.
bool is_refusal(const Error& error);

/// Performs actions. Safe from any thread.
class Actor {
 public:
  Actor(client::Reader& reader, client::Writer& writer, WriteObserver& observer)
      : reader_(reader), writer_(writer), observer_(observer) {}

  /// Perform `action`; see logic::Action for what counts as success. Errors are those of the verb;
  /// AlreadyExists from a Create means that the name is taken by a foreign owner.
  Result<ActionResult> perform(const logic::Action& action, const std::stop_token& stop);

  /// Replace the status of an object whole, under the precondition `resource_version`. Errors:
  /// Conflict when the object changed, NotFound when it is gone.
  Result<ActionResult> write_status(const api::ApiResource& resource, const ObjectKey& key,
                                    const std::string& resource_version,
                                    std::string_view status_json, const std::stop_token& stop);

 private:
  Result<ActionResult> create(const logic::Action& action, const client::CallOptions& options);
  Result<ActionResult> remove(const logic::Action& action, const client::CallOptions& options);
  Result<ActionResult> observe(const api::ApiResource& resource, const std::string& json);

  client::Reader& reader_;
  client::Writer& writer_;
  WriteObserver& observer_;
};

}  // namespace millrace::shell
