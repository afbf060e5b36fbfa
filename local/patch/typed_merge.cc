#include <unordered_map>
#include <utility>

#include "local/patch/typed.h"

namespace millrace::patch {

using codec::Value;

namespace {

Value merged(const Value& live, const Value& body, const TypeAt& at);

Value merged_members(const Value& live, const Value& body, const TypeAt& at) {
  Value out = Value::object();
  out.members().reserve(live.members().size() + body.members().size());
  for (const auto& [name, old] : live.members()) {
    const Value* now = body.find(name);
    out.members().emplace_back(name, now == nullptr ? old : merged(old, *now, member_of(at, name)));
  }
  for (const auto& [name, now] : body.members()) {
    if (live.find(name) == nullptr) out.members().emplace_back(name, now);
  }
  return out;
}

/// Merges two lists item by item: shared items in the order of the body, items that only the live
/// list has stay near their neighbours.
class ListMerge {
 public:
  ListMerge(const Value& live, std::vector<std::string> live_elements, const Value& body,
            std::vector<std::string> body_elements, const TypeAt& item)
      : live_(live),
        body_(body),
        item_(item),
        l_(std::move(live_elements)),
        r_(std::move(body_elements)) {
    for (std::size_t i = 0; i < l_.size(); ++i) {
      const auto [at, fresh] = in_live_.emplace(l_[i], &live_.items()[i]);
      if (!fresh) at->second = nullptr;  // occurs twice: nothing to merge with
    }
    for (const std::string& element : r_) {
      placed_.emplace(element, false);
      if (in_live_.contains(element)) shared_.push_back(&element);
    }
  }

  Value run() {
    std::size_t i = 0;
    std::size_t j = 0;
    while (i < l_.size() || j < r_.size()) {
      if (i < l_.size() && j < r_.size()) {
        if (l_[i] == r_[j]) {
          place(j++);
          ++i;
          ++next_;
          continue;
        }
        // A shared item whose turn comes later, when the body's order gets there.
        const bool waits = next_ < shared_.size() && *shared_[next_] != l_[i];
        if (waits && placed_.contains(l_[i])) {
          ++i;
          continue;
        }
      }
      if (i < l_.size()) {
        const auto in_body = placed_.find(l_[i]);
        if (in_body == placed_.end()) {
          out_.push_back(live_.items()[i++]);
          continue;
        }
        if (in_body->second) ++i;
      }
      if (j < r_.size()) {
        const bool was_next = next_ < shared_.size() && *shared_[next_] == r_[j];
        place(j++);
        if (was_next) ++next_;
      }
    }
    return Value(std::move(out_));
  }

 private:
  void place(std::size_t j) {
    placed_[r_[j]] = true;
    const auto live = in_live_.find(r_[j]);
    const bool both = live != in_live_.end() && live->second != nullptr;
    out_.push_back(both ? merged(*live->second, body_.items()[j], item_) : body_.items()[j]);
  }

  const Value& live_;
  const Value& body_;
  TypeAt item_;
  std::vector<std::string> l_;
  std::vector<std::string> r_;
  std::unordered_map<std::string_view, const Value*> in_live_;
  std::unordered_map<std::string_view, bool> placed_;  ///< elements of the body
  std::vector<const std::string*> shared_;             ///< in the order of the body
  std::size_t next_ = 0;                               ///< of `shared_`
  Value::Array out_;
};

Value merged(const Value& live, const Value& body, const TypeAt& at) {
  const Form form = form_of(at, body);
  if (form == Form::Leaf || form != form_of(at, live)) return body;
  if (live.empty() && body.empty()) return body;
  if (form == Form::Members) return merged_members(live, body, at);
  auto l = item_elements(at, live, form);
  auto r = item_elements(at, body, form);
  if (!l || !r) return body;
  return ListMerge(live, *std::move(l), body, *std::move(r), item_of(at)).run();
}

}  // namespace

Value typed_merge(const Value& live, const Value& body, const schema::Type& type) {
  return merged(live, body, {&type, nullptr});
}

}  // namespace millrace::patch
