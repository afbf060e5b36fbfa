/// Objects of kinds that only users know: looked at, applied and deleted as a service account.
#pragma once

#include <map>
#include <memory>
#include <stop_token>
#include <string>

#include "controllers/logic/action.h"
#include "controllers/logic/run.h"
#include "kubeclient/api/meta.h"
#include "kubeclient/base/guarded.h"
#include "kubeclient/client/client.h"

namespace millrace::shell {

/// Finds the resource of a kind by discovery, and remembers it. Safe from any thread.
class UserObjects {
 public:
  UserObjects(client::Reader& reader, client::Writer& writer) : reader_(reader), writer_(writer) {}

  /// The live object. Errors are in the answer; only Cancelled and Bug come out of it.
  logic::ObjectState look(const logic::ObjectRef& ref, const std::stop_token& stop);
  /// Server-side apply of `action.body`. Errors: NotFound with the kind named when the server does
  /// not have it; those of the verb.
  Result<void> apply(const logic::Action& action, const std::stop_token& stop);
  /// The same with `options`; as whom is said by `action`.
  Result<void> apply(const logic::Action& action, client::CallOptions options);

 private:
  /// Owns the texts that an ApiResource points to.
  struct Known {
    std::string group, version, plural, kind;
    bool namespaced = true;
    api::ApiResource resource() const { return {group, version, plural, kind, namespaced}; }
  };
  Result<std::shared_ptr<const Known>> find(const std::string& api_version, const std::string& kind,
                                            const std::stop_token& stop);

  client::Reader& reader_;
  client::Writer& writer_;
  Guarded<std::map<std::string, std::shared_ptr<const Known>>> known_;  ///< by "apiVersion kind"
};

}  // namespace millrace::shell
