#include "local/apiserver/ownership.h"

#include <algorithm>

#include "kubeclient/codec/value.h"
#include "local/apiserver/strategy_parts.h"

namespace millrace::apiserver {
namespace {

using codec::Value;

/// Steps over the members of an object's text. Relies on the text being valid JSON without spaces,
/// as the server writes it; on anything else it stops.
class Members {
 public:
  explicit Members(std::string_view object) : rest_(object) {
    if (!rest_.empty() && rest_.front() == '{') rest_.remove_prefix(1);
  }

  /// The next member; false at the end.
  bool next(std::string_view& key, std::string_view& value) {
    if (!rest_.empty() && rest_.front() == ',') rest_.remove_prefix(1);
    if (rest_.empty() || rest_.front() != '"') return false;
    const std::size_t end = string_end(0);
    if (end >= rest_.size() || rest_[end] != ':') return false;
    key = rest_.substr(1, end - 2);
    rest_.remove_prefix(end + 1);
    const std::size_t size = value_end();
    value = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return true;
  }

 private:
  /// Just after the string that begins at `at`.
  std::size_t string_end(std::size_t at) const {
    for (std::size_t i = at + 1; i < rest_.size(); ++i) {
      if (rest_[i] == '\\') {
        ++i;
      } else if (rest_[i] == '"') {
        return i + 1;
      }
    }
    return rest_.size();
  }
  std::size_t value_end() const {
    int depth = 0;
    for (std::size_t i = 0; i < rest_.size();) {
      const char c = rest_[i];
      if (c == '"') {
        i = string_end(i);
        continue;
      }
      if (depth == 0 && (c == ',' || c == '}' || c == ']')) return i;
      if (c == '{' || c == '[') ++depth;
      if (c == '}' || c == ']') --depth;
      ++i;
    }
    return rest_.size();
  }

  std::string_view rest_;
};

std::string_view member_of(std::string_view object, std::string_view name) {
  Members members(object);
  std::string_view key;
  std::string_view value;
  while (members.next(key, value)) {
    if (key == name) return value;
  }
  return {};
}

void read_owners(std::vector<Owner>& owners, std::string_view text) {
  const auto list = Value::parse(text);
  if (!list.ok()) return;
  for (const Value& one : list->items()) {
    const Value* blocks = one.find("blockOwnerDeletion");
    owners.push_back({text_at(one, {"apiVersion"}), text_at(one, {"kind"}), text_at(one, {"name"}),
                      text_at(one, {"uid"}), blocks != nullptr && blocks->as_bool()});
  }
}

void read_finalizers(std::vector<std::string>& finalizers, std::string_view text) {
  const auto list = Value::parse(text);
  if (!list.ok()) return;
  for (const Value& one : list->items()) finalizers.push_back(one.as_string());
}

}  // namespace

bool Ownership::has_finalizer(std::string_view name) const {
  return std::find(finalizers.begin(), finalizers.end(), name) != finalizers.end();
}

Ownership read_ownership(std::string_view json) {
  Ownership out;
  Members members(member_of(json, "metadata"));
  std::string_view key;
  std::string_view value;
  while (members.next(key, value)) {
    if (key == "ownerReferences") read_owners(out.owners, value);
    if (key == "finalizers") read_finalizers(out.finalizers, value);
    if (key == "deletionTimestamp") out.deleting = value.size() > 2 && value != "null";
  }
  return out;
}

}  // namespace millrace::apiserver
