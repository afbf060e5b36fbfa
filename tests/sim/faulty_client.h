/// A client through which everything goes wrong that may go wrong between an operator and its API
/// server, by seed.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "kubeclient/client/client.h"
#include "tests/sim/random.h"
#include "tests/sim/trace.h"

namespace millrace::sim {

/// Thrown where the operator's process dies.
struct Crash {};

/// How often what goes wrong, of a thousand.
struct FaultRates {
  int conflict = 0;     ///< a write is answered 409, without effect
  int throttle = 0;     ///< any call is answered 429
  int unavailable = 0;  ///< any call fails without effect: 500, 503, or no connection
  int lose = 0;         ///< a write takes effect, its answer does not arrive
  int pause = 0;        ///< before a write others move: the process stood still
  int watch_refuse = 0;
  int watch_cut = 0;
  int watch_expire = 0;
  int watch_late = 0;
  int watch_repeat = 0;
  int watch_reorder = 0;
};

/// Breakages of the operator or of the protocol, to prove that the simulation sees them.
enum class Mutation {
  None,
  DropPreconditions,  ///< resourceVersion and UID are left out of writes
  ForgetEvents,       ///< now and then a watch leaves out an event
  RepeatCreates,      ///< names of pods are changed, so that a second try makes a second one
  IgnoreOrder,        ///< frozen pipelines are read without what their steps depend on
  SkipRecords,        ///< now and then a run's status is said to be written, and is not
};

/// Reader and Writer over an honest client. One thread.
class FaultyClient final : public client::Reader, public client::Writer {
 public:
  FaultyClient(client::Reader& reader, client::Writer& writer, const Clock& clock, Random random,
               Trace& trace, std::string name);

  FaultRates rates;
  Mutation mutation = Mutation::None;
  /// Called when the process stands still before a write ("create pods/a"); may be empty.
  std::function<void(const std::string& what)> stand_still;
  /// Told of each write before anything else; may be empty.
  std::function<void(const std::string& what)> about_to;
  /// Writes from now until the process dies, in the place of the last one, or after its effect.
  std::optional<int> crash_in;
  bool crash_after_effect = false;
  /// Pods are refused for want of quota.
  bool quota_used_up = false;
  int writes = 0;  ///< without those of events and leases

  Result<std::string> get_text(const api::ApiResource& resource, const ObjectKey& key,
                               const client::CallOptions& options) override;
  Result<std::string> list_text(const api::ApiResource& resource, const std::string& ns,
                                const client::ListOptions& list,
                                const client::CallOptions& options) override;
  Result<std::unique_ptr<client::ByteStream>> watch(const api::ApiResource& resource,
                                                    const std::string& ns,
                                                    const client::WatchOptions& watch,
                                                    const client::CallOptions& options) override;
  Result<std::string> create_text(const api::ApiResource& resource, const std::string& ns,
                                  std::string_view body,
                                  const client::CallOptions& options) override;
  Result<std::string> replace_text(const api::ApiResource& resource, const ObjectKey& key,
                                   std::string_view body, const std::string& subresource,
                                   const client::CallOptions& options) override;
  Result<std::string> patch_text(const api::ApiResource& resource, const ObjectKey& key,
                                 client::PatchType type, std::string_view body,
                                 const client::PatchOptions& patch,
                                 const client::CallOptions& options) override;
  Result<std::string> delete_text(const api::ApiResource& resource, const ObjectKey& key,
                                  const client::DeleteOptions& del,
                                  const client::CallOptions& options) override;
  Result<std::string> raw_get(std::string_view path, const client::CallOptions& options) override;

 private:
  class Stream;
  using Call = std::function<Result<std::string>()>;

  Result<std::string> write(const std::string& what, bool is_event, bool is_pod_create,
                            const Call& call);
  std::optional<Error> fault(bool of_write);
  std::optional<Error> read_fault(const std::string& what);
  /// What is read of `resource`, broken if that is wanted.
  Result<std::string> seen(const api::ApiResource& resource, Result<std::string> text) const;
  /// The answer to a write of a status that is not done.
  Result<std::string> pretend(const api::ApiResource& resource, const ObjectKey& key,
                              std::string_view patch, const client::CallOptions& options);

  client::Reader& reader_;
  client::Writer& writer_;
  const Clock& clock_;
  Random random_;
  Trace& trace_;
  std::string name_;
};

}  // namespace millrace::sim
