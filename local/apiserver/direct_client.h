/// The client's interfaces on top of an `Api` in the same process: no socket, no HTTP.
#pragma once

#include <memory>
#include <string>

#include "kubeclient/client/client.h"

namespace millrace::apiserver {

class Api;

/// Reads and writes as `user_agent`. Answers and errors are those that `client::Client` gives over
/// HTTP, but for the server's address in messages. Streams block in `read`, as the real ones; their
/// deadlines are times of `clock`, and one that has passed gives what is there, or Timeout, at
/// once. Deviation: nothing is repeated (there is no connection to lose), and impersonation is
/// ignored.
class DirectClient final : public client::Reader, public client::Writer {
 public:
  DirectClient(Api& api, const Clock& clock, std::string user_agent);
  ~DirectClient() override;

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

  /// As client::Client::pod_logs.
  Result<std::unique_ptr<client::ByteStream>> pod_logs(const ObjectKey& pod,
                                                       const client::LogOptions& log,
                                                       const client::CallOptions& options);

 private:
  Api& api_;
  const Clock& clock_;
  std::string user_agent_;
};

}  // namespace millrace::apiserver
