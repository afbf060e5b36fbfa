/// Just enough of an API for the executor's tests: objects, versions, watches, merge patches, and
/// pods that stay until their deletion is confirmed. The suite in tests/contract holds the real
/// thing, and the executor over it, to what Kubernetes does.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kubeclient/api/meta.h"
#include "kubeclient/base/guarded.h"
#include "kubeclient/client/client.h"
#include "kubeclient/codec/value.h"

namespace millrace::executor {

/// Safe from any thread.
class TinyApi final : public client::Reader, public client::Writer {
 public:
  /// Writes so far, by "verb plural", e.g. "patch pods/status".
  std::map<std::string, int> writes() const;
  /// Wait until `holds` for the object, or null when there is none; what it was. Null after 20 s.
  bool await(const std::string& plural, const ObjectKey& key,
             const std::function<bool(const codec::Value*)>& holds, codec::Value* found);

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

 private:
  class Stream;
  struct Event {
    std::string plural;
    std::int64_t version;
    std::string line;
  };
  using Address = std::pair<std::string, ObjectKey>;
  struct State {
    std::map<Address, codec::Value> objects;
    std::vector<Event> events;
    std::int64_t version = 1;
    std::map<std::string, int> writes;
  };
  void put(State& state, const std::string& plural, const char* type, codec::Value& object);

  mutable Guarded<State> state_;
  std::condition_variable_any changed_;
};

}  // namespace millrace::executor
