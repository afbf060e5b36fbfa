#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "local/patch/patch.h"

namespace millrace::patch {
namespace {

using codec::Value;

// Source: Kubernetes, apiserver/pkg/endpoints/handlers/patch.go: maxJSONPatchOperations, and
// apiserver/pkg/server/config.go: JSONPatchMaxCopyBytes.
constexpr std::size_t kMaxOperations = 10000;
constexpr std::size_t kMaxCopyBytes = 3 * 1024 * 1024;
// Operations can build deeper documents than anything parsed; those could not be read back.
constexpr std::size_t kMaxDepth = 128;

/// Why an operation failed is not told to clients: the API server answers all with one sentence.
tl::unexpected<Error> refused() {
  return fail(Code::Invalid, "the server rejected our request due to an error in our request");
}

/// "~1" is a slash, "~0" a tilde; one pass, so "~01" becomes "~1" as in the API server's decoder.
std::string unescape(std::string_view token) {
  std::string out;
  out.reserve(token.size());
  for (std::size_t i = 0; i < token.size(); ++i) {
    const bool escape = token[i] == '~' && i + 1 < token.size();
    if (escape && (token[i + 1] == '0' || token[i + 1] == '1')) {
      out += token[++i] == '0' ? '~' : '/';
    } else {
      out += token[i];
    }
  }
  return out;
}

/// The tokens of a pointer; none when it has no slash. What stands before the first slash does not
/// count.
std::vector<std::string> split(std::string_view pointer) {
  std::vector<std::string> tokens;
  std::size_t slash = pointer.find('/');
  while (slash != std::string_view::npos) {
    const std::size_t next = pointer.find('/', slash + 1);
    tokens.push_back(unescape(pointer.substr(slash + 1, next - slash - 1)));
    slash = next;
  }
  return tokens;
}

/// An index into `size` items; negative ones count from the end, as the API server allows.
std::optional<std::size_t> index_of(std::string_view token, std::size_t size) {
  if (token.starts_with('+')) token.remove_prefix(1);
  if (token.starts_with('+')) return std::nullopt;
  std::int64_t index = 0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), index);
  if (error != std::errc() || end != token.data() + token.size()) return std::nullopt;
  const auto count = static_cast<std::int64_t>(size);
  if (index < 0) index += count;
  if (index < 0 || index >= count) return std::nullopt;
  return static_cast<std::size_t>(index);
}

std::size_t depth_of(const Value& value) {
  std::size_t deepest = 0;
  for (const auto& [key, member] : value.members()) deepest = std::max(deepest, depth_of(member));
  for (const Value& item : value.items()) deepest = std::max(deepest, depth_of(item));
  return value.is_object() || value.is_array() ? deepest + 1 : 0;
}

/// The place a pointer names: its container, which exists, and the last token.
struct Place {
  Value* parent = nullptr;
  std::string key;
  std::size_t depth = 0;  ///< of the place itself, below the document
};

std::optional<Place> locate(Value& document, std::string_view pointer) {
  std::vector<std::string> tokens = split(pointer);
  if (tokens.empty()) return std::nullopt;
  Value* at = &document;
  for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
    if (at->is_array()) {
      const auto index = index_of(tokens[i], at->items().size());
      if (!index) return std::nullopt;
      at = &at->items()[*index];
    } else {
      at = at->find(tokens[i]);
      if (at == nullptr) return std::nullopt;
    }
  }
  if (!at->is_array() && !at->is_object()) return std::nullopt;
  return Place{at, std::move(tokens.back()), tokens.size()};
}

/// What stands at `place`; null pointer when nothing can. An absent member is `absent`: the API
/// server reads it as null in every operation but remove and move.
const Value* read(const Place& place) {
  static const Value absent;
  if (place.parent->is_array()) {
    const auto index = index_of(place.key, place.parent->items().size());
    return index ? &place.parent->items()[*index] : nullptr;
  }
  const Value* found = place.parent->find(place.key);
  return found == nullptr ? &absent : found;
}

bool add(const Place& place, Value value) {
  if (place.depth + depth_of(value) > kMaxDepth) return false;
  if (!place.parent->is_array()) {
    (*place.parent)[place.key] = std::move(value);
    return true;
  }
  Value::Array& items = place.parent->items();
  if (place.key == "-") {
    items.push_back(std::move(value));
    return true;
  }
  const auto index = index_of(place.key, items.size() + 1);
  if (!index) return false;
  items.insert(items.begin() + static_cast<std::ptrdiff_t>(*index), std::move(value));
  return true;
}

bool replace(const Place& place, Value value) {
  if (place.depth + depth_of(value) > kMaxDepth) return false;
  if (!place.parent->is_array()) {
    (*place.parent)[place.key] = std::move(value);
    return true;
  }
  const auto index = index_of(place.key, place.parent->items().size());
  if (!index) return false;
  place.parent->items()[*index] = std::move(value);
  return true;
}

/// Take away what stands at `place`; none when there is nothing.
std::optional<Value> take(const Place& place) {
  if (!place.parent->is_array()) {
    Value* found = place.parent->find(place.key);
    if (found == nullptr) return std::nullopt;
    Value taken = std::move(*found);
    place.parent->erase(place.key);
    return taken;
  }
  Value::Array& items = place.parent->items();
  const auto index = index_of(place.key, items.size());
  if (!index) return std::nullopt;
  Value taken = std::move(items[*index]);
  items.erase(items.begin() + static_cast<std::ptrdiff_t>(*index));
  return taken;
}

/// One run over a patch: the document, and what was copied so far.
class Patcher {
 public:
  explicit Patcher(Value document) : document_(std::move(document)) {}
  Value result() { return std::move(document_); }

  /// False: the operation does not apply.
  bool run(const Value& operation) {
    const std::string& op = text(operation, "op");
    const Value* path = operation.find("path");
    if (path == nullptr || !path->is_string()) return false;
    static const Value absent;
    const Value* given = operation.find("value");
    const Value& value = given == nullptr ? absent : *given;
    if (path->as_string().empty() && op == "replace") return replace_all(value);
    if (path->as_string().empty() && op == "test") return document_ == value;
    if (op == "move" || op == "copy") return transfer(operation, path->as_string(), op == "move");
    const auto place = locate(document_, path->as_string());
    if (!place) return false;
    if (op == "add") return add(*place, value);
    if (op == "remove") return take(*place).has_value();
    if (op == "replace") return replace(*place, value);
    if (op != "test") return false;
    const Value* found = read(*place);
    return found != nullptr && *found == value;
  }

 private:
  static const std::string& text(const Value& operation, std::string_view key) {
    static const Value absent;
    const Value* found = operation.find(key);
    return (found == nullptr ? absent : *found).as_string();
  }

  bool replace_all(const Value& value) {
    // Anything else has no effect and is no error: measured on Kubernetes 1.34.
    if (value.is_object() || value.is_array()) document_ = value;
    return true;
  }

  bool transfer(const Value& operation, std::string_view path, bool move) {
    const auto from = locate(document_, text(operation, "from"));
    if (!from) return false;
    std::optional<Value> value;
    if (move) {
      value = take(*from);
    } else if (const Value* found = read(*from)) {
      value = *found;
    }
    if (!value) return false;
    if (!move) copied_ += value->dump().size();
    if (copied_ > kMaxCopyBytes) return false;
    const auto to = locate(document_, path);
    return to && add(*to, *std::move(value));
  }

  Value document_;
  std::size_t copied_ = 0;
};

/// How Go's JSON decoder names a value of an unexpected kind.
std::string go_kind(const Value& value) {
  if (value.is_number()) return "number";
  return std::string(value.kind_name());
}

/// The errors of decoding, in the decoder's words.
Result<> check_shape(const Value& patch) {
  const std::string prefix = "error decoding patch: json: cannot unmarshal ";
  if (!patch.is_array()) {
    return fail(Code::Malformed,
                prefix + go_kind(patch) + " into Go value of type []handlers.jsonPatchOp");
  }
  for (const Value& operation : patch.items()) {
    if (!operation.is_object() && !operation.is_null()) {
      return fail(Code::Malformed,
                  prefix + go_kind(operation) + " into Go value of type handlers.jsonPatchOp");
    }
    for (const char* key : {"op", "path", "from"}) {
      const Value* member = operation.find(key);
      if (member == nullptr || member->is_string() || member->is_null()) continue;
      return fail(Code::Malformed, prefix + go_kind(*member) +
                                       " into Go struct field jsonPatchOp." + key +
                                       " of type string");
    }
  }
  if (patch.items().size() > kMaxOperations) {
    Error error;
    error.code = Code::Invalid;
    error.message = "The allowed maximum operations in a JSON patch is " +
                    std::to_string(kMaxOperations) + ", got " +
                    std::to_string(patch.items().size());
    error.http_status = 413;
    error.reason = "RequestEntityTooLarge";
    return fail(std::move(error));
  }
  return {};
}

}  // namespace

Result<Value> json_patch(Value target, const Value& patch) {
  if (patch.is_null()) return target;
  MR_TRY(check_shape(patch));
  Patcher patcher(std::move(target));
  for (const Value& operation : patch.items()) {
    if (!patcher.run(operation)) return refused();
  }
  return patcher.result();
}

}  // namespace millrace::patch
