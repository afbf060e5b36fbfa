/// Fits documents of clients to a type: shapes, unknown fields, defaults, and what validation
/// finds.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kubeclient/base/result.h"
#include "kubeclient/codec/value.h"
#include "local/schema/kinds.h"

namespace millrace::schema {

/// One complaint of validation, as metav1.StatusCause says it.
struct Problem {
  std::string field;    ///< "spec.containers[0].image"
  std::string reason;   ///< FieldValueRequired, FieldValueInvalid, FieldValueNotSupported, ...
  std::string message;  ///< "Required value", "Invalid value: \"x\": must be ...", ...
  bool operator==(const Problem&) const = default;
};

/// What `fit` met.
struct Fitted {
  std::vector<std::string>
      unknown;  ///< paths of fields that were dropped: `unknown field "spec.foo"`
};

/// Bring a parsed body into the shape of `kind`: drop unknown fields and nulls as the real server
/// does, and write amounts, times and base64 as it does. For built-in kinds a value of the wrong
/// JSON type is an error (Malformed; the message is what the real server says after `Pod in version
/// "v1" cannot be handled as a Pod: `, with 400); for custom kinds that is left to `validate`, but
/// for their metadata. Idempotent.
Result<Fitted> fit(codec::Value& object, const Kind& kind);

/// What the real server makes of an object before it looks at it: fill in the defaults of fields
/// that are absent, of list items and present objects too; drop what its encoding drops (`false`,
/// 0, "" and empty lists of many fields), and add what it always writes (`resources: {}`, ...).
/// Idempotent. Not for bodies of server-side apply: there the fields that were sent matter; call it
/// on the merged object.
void apply_defaults(codec::Value& object, const Kind& kind);

/// Problems of shape, limits, enums and CEL rules of a custom kind; of required fields, names and
/// values of a built-in one. `old_object` is null for a new one. Metadata is not looked at.
std::vector<Problem> validate(const codec::Value& object, const codec::Value* old_object,
                              const Kind& kind);

/// Complaints about the nulls of a body of server-side apply of a custom kind, where they are kept
/// as values; of the status only, or of all but it. Empty when there is none.
std::vector<Problem> null_problems(const codec::Value& body, const Kind& kind,
                                   std::string_view subresource);

}  // namespace millrace::schema
