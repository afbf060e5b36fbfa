/// Create, update and delete: the one way by which anything gets into the storage.
///
/// The order of a write: decode, fit, defaults, strategy, managedFields, validation, storage.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "local/apiserver/context.h"
#include "local/apiserver/refusal.h"
#include "local/apiserver/request_options.h"
#include "local/apiserver/request_target.h"
#include "local/apiserver/strategy.h"

namespace millrace::apiserver {

/// Whether managedFields are up to date already, as after an apply.
enum class Tracking { Needed, Done };

/// Store a new object: of the right kind, without unknown fields, with metadata. The answer is its
/// stored text. Takes the name of `target` unless that is empty.
Answer<std::string> create_object(Context& context, const Target& target, codec::Value object,
                                  const WriteOptions& options, Tracking tracking);

/// What an edit makes of the latest object; made again after a concurrent write.
struct Edited {
  codec::Value object;  ///< fitted
  Tracking tracking = Tracking::Needed;
};
using Edit = std::function<Answer<Edited>(const codec::Value& old)>;

/// How an update came in: decides about resourceVersion and UID that do not match.
enum class Method { Put, Patch };

/// Replace an object by what `edit` makes of it. The answer is the stored text; one that changes
/// nothing writes nothing. Refuses with 404, 409, 422 and whatever `edit` says.
Answer<std::string> update_object(Context& context, const Target& target,
                                  const WriteOptions& options, Method method, const Edit& edit);

/// What a delete came to.
struct Deleted {
  std::string json;  ///< the object as it is, or last was
  std::string uid;
  bool gone = false;  ///< it is out of the storage
};
Answer<Deleted> delete_object(Context& context, const Target& target, const DeleteOptions& options);

/// Change an object as the server itself: no strategy, no validation. `edit` says false when there
/// is nothing to change. Errors: NotFound; Conflict when the UID is not `uid`.
Result<void> edit_as_server(Context& context, const storage::Key& key, const std::string& uid,
                            const std::function<bool(codec::Value&)>& edit);

/// Names and namespaces that body and path both give. `url_name` may be empty (create).
std::optional<Refused> check_names(const codec::Value& object, const Target& target);

}  // namespace millrace::apiserver
