#include "local/patch/patch.h"

namespace millrace::patch {

using codec::Value;

Result<Value> strategic_merge(Value target, const Value& patch, const schema::Type&) {
  return merge(std::move(target), patch);
}

}  // namespace millrace::patch
