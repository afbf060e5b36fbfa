#include "local/schema/custom_check.h"
#include "local/schema/fit.h"
#include "local/schema/problems.h"

namespace millrace::schema {

std::vector<Problem> validate(const codec::Value& object, const codec::Value* old_object,
                              const Kind& kind) {
  Problems problems;
  if (kind.custom) check_custom(object, old_object, *kind.type, problems);
  return problems.take();
}

}  // namespace millrace::schema
