#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "local/patch/go_text.h"
#include "local/patch/patch.h"
#include "local/patch/typed.h"

namespace millrace::patch {
namespace {

using codec::Value;

constexpr std::string_view kPatch = "$patch";
constexpr std::string_view kRetainKeys = "$retainKeys";
constexpr std::string_view kDeletePrefix = "$deleteFromPrimitiveList";
constexpr std::string_view kOrderPrefix = "$setElementOrder";

// The three ways in which the API server answers bad patches.
tl::unexpected<Error> bad_format(const char* what) {
  return fail(Code::Malformed, std::string("invalid patch format of ") + what);
}
tl::unexpected<Error> refused() {
  return fail(Code::Invalid, "the server rejected our request due to an error in our request");
}
tl::unexpected<Error> broken(std::string message) {
  Error error;
  error.code = Code::Invalid;
  error.http_status = 500;
  error.message = std::move(message);
  return fail(std::move(error));
}

void drop_nulls(Value& value) {
  if (value.is_object()) {
    std::erase_if(value.members(), [](const Value::Member& m) { return m.second.is_null(); });
    for (auto& [key, member] : value.members()) drop_nulls(member);
  } else if (value.is_array()) {
    for (Value& item : value.items()) drop_nulls(item);
  }
}

/// False: the value is itself an instruction, and nothing remains.
bool drop_directives(Value& value) {
  if (value.is_object()) {
    if (value.find(kPatch) != nullptr) return false;
    std::erase_if(value.members(),
                  [](Value::Member& member) { return !drop_directives(member.second); });
  } else if (value.is_array()) {
    std::erase_if(value.items(), [](Value& item) { return !drop_directives(item); });
  }
  return true;
}

/// Put a patch's value where there was nothing to merge it with.
void place(Value& target, const std::string& key, const Value& change) {
  Value fresh = change;
  drop_nulls(fresh);
  if (drop_directives(fresh)) {
    target[key] = std::move(fresh);
  } else {
    target.erase(key);
  }
}

/// How the items of a list are told apart: by a member, or, for plain ones, by themselves.
struct Identity {
  std::string key;

  const Value* of(const Value& item) const { return key.empty() ? &item : item.find(key); }
  bool same(const Value& a, const Value& b) const {
    const Value* left = of(a);
    const Value* right = of(b);
    return left != nullptr && right != nullptr && *left == *right;
  }
  /// Where in `list` an item like `item` stands; the size when nowhere.
  std::size_t find(const Value::Array& list, const Value& item) const {
    const auto at = std::find_if(list.begin(), list.end(),
                                 [&](const Value& other) { return same(other, item); });
    return static_cast<std::size_t>(at - list.begin());
  }
};

Result<> need_key(const Value::Array& list, const Identity& identity) {
  if (identity.key.empty()) return {};
  for (const Value& item : list) {
    if (!item.is_object()) {
      return broken("expected a map[string]interface {}, but received a " + go_type(item));
    }
    if (item.find(identity.key) == nullptr) {
      return broken("map: " + go_plain(item) +
                    " does not contain declared merge key: " + identity.key);
    }
  }
  return {};
}

/// Brings `merged` into order: items that `wanted` names in its order, the others as on the
/// server; an item of the server goes first where both orders allow it.
Result<Value::Array> in_order(Value::Array merged, const Value::Array& wanted,
                              const Value::Array& server, const Identity& identity) {
  MR_TRY(need_key(merged, identity));
  MR_TRY(need_key(wanted, identity));
  struct Ranked {
    std::size_t rank;
    Value item;
  };
  std::vector<Ranked> named;
  std::vector<Ranked> others;
  for (Value& item : merged) {
    const std::size_t rank = identity.find(wanted, item);
    if (rank < wanted.size()) {
      named.push_back({rank, std::move(item)});
    } else {
      others.push_back({identity.find(server, item), std::move(item)});
    }
  }
  const auto by_rank = [](const Ranked& a, const Ranked& b) { return a.rank < b.rank; };
  std::stable_sort(named.begin(), named.end(), by_rank);
  std::stable_sort(others.begin(), others.end(), by_rank);
  Value::Array out;
  out.reserve(merged.size());
  auto left = others.begin();
  auto right = named.begin();
  while (left != others.end() || right != named.end()) {
    bool take_left = right == named.end();
    if (!take_left && left != others.end()) {
      const std::size_t at = identity.find(server, right->item);
      take_left = left->rank < server.size() && at < server.size() && left->rank < at;
    }
    out.push_back(std::move(take_left ? (left++)->item : (right++)->item));
  }
  return out;
}

/// All items are of one kind, and it is not a list.
Result<> check_items(const Value::Array& a, const Value::Array& b) {
  const Value* first = nullptr;
  for (const Value::Array* list : {&a, &b}) {
    for (const Value& item : *list) {
      if (first == nullptr) first = &item;
      if (first->is_array()) return refused();
      if (item.is_null() || go_type(item) != go_type(*first)) {
        return broken("list element types are not identical: [" + go_plain(Value(a)) + " " +
                      go_plain(Value(b)) + "]");
      }
    }
  }
  if (first == nullptr) return broken("no elements in any of the given slices");
  return {};
}

Result<> merge_object(Value& target, const Value& patch, const TypeAt& at);

/// `$patch` items of a list: what they delete is gone afterwards. True: the list is replaced.
Result<bool> run_directives(Value::Array& original, const Value::Array& patch,
                            const Identity& identity, Value::Array& rest) {
  bool replace = false;
  for (const Value& item : patch) {
    const Value* directive = item.find(kPatch);
    if (directive == nullptr) {
      rest.push_back(item);
    } else if (directive->as_string() == "delete") {
      if (identity.of(item) == nullptr) MR_TRY(need_key({item}, identity));
      std::erase_if(original, [&](const Value& other) { return identity.same(other, item); });
    } else if (directive->as_string() == "replace") {
      replace = true;
    } else if (directive->as_string() == "merge") {
      return broken("merging lists cannot yet be specified in the patch");
    } else {
      return broken("unknown patch type: " + go_plain(*directive) + " in map: " + go_plain(item));
    }
  }
  return replace;
}

Result<> merge_list(Value& target, const Value& patch, const TypeAt& at) {
  Value::Array original = target.items();
  if (original.empty() && patch.items().empty()) return {};
  MR_TRY(check_items(original, patch.items()));
  const bool maps = (original.empty() ? patch.items() : original).front().is_object();
  Identity identity;
  Value::Array rest;
  Value::Array merged;
  if (!maps) {
    rest = patch.items();
    for (const Value::Array* list : {&std::as_const(original), &std::as_const(rest)}) {
      for (const Value& item : *list) {
        if (identity.find(merged, item) == merged.size()) merged.push_back(item);
      }
    }
  } else {
    if (at.field == nullptr || at.field->patch_key.empty()) {
      return broken("cannot merge lists without merge key for " +
                    (at.type == nullptr || at.type->element == nullptr ? std::string()
                                                                       : at.type->element->name));
    }
    identity.key = at.field->patch_key;
    MR_ASSIGN(const bool replace, run_directives(original, patch.items(), identity, rest));
    if (replace) std::swap(original, rest);
    if (replace) rest.clear();
    merged = original;
    MR_TRY(need_key(rest, identity));
    for (const Value& item : rest) {
      const std::size_t found = identity.find(merged, item);
      if (found == merged.size()) {
        merged.push_back(item);
      } else {
        MR_TRY(merge_object(merged[found], item, item_of(at)));
      }
    }
  }
  MR_ASSIGN(auto ordered, in_order(std::move(merged), rest, original, identity));
  target = Value(std::move(ordered));
  return {};
}

bool merges(const TypeAt& at) { return at.field != nullptr && at.field->patch_merge; }

/// `$retainKeys`: members of the target that are not named there go away.
Result<> retain_keys(Value& target, const Value& patch) {
  const Value* keys = patch.find(kRetainKeys);
  if (keys == nullptr) return {};
  if (!keys->is_array()) return bad_format("retainKeys");
  const auto retained = [&](std::string_view name) {
    return std::any_of(keys->items().begin(), keys->items().end(), [&](const Value& key) {
      return key.is_string() && key.as_string() == name;
    });
  };
  for (const auto& [name, change] : patch.members()) {
    const bool free = change.is_null() || name == kRetainKeys || name.starts_with(kDeletePrefix) ||
                      name.starts_with(kOrderPrefix);
    if (!free && !retained(name)) return bad_format("retainKeys");
  }
  std::erase_if(target.members(), [&](const Value::Member& m) { return !retained(m.first); });
  return {};
}

/// The items of a patch stand in the order that its `$setElementOrder` names.
Result<> check_order(const Value::Array& items, const Value::Array& order,
                     const Identity& identity) {
  if (items.empty() || order.empty()) return {};
  std::size_t at = 0;
  for (const Value& item : items) {
    if (item.find(kPatch) != nullptr) continue;
    MR_TRY(need_key({item}, identity));
    while (at < order.size() && !identity.same(item, order[at])) ++at;
    if (at++ == order.size()) {
      return broken("The order in patch list:\n" + go_plain(Value(items)) +
                    "\n doesn't match $setElementOrder list:\n" + go_plain(Value(order)) + "\n");
    }
  }
  return {};
}

/// `$setElementOrder/NAME` together with the list NAME of the patch.
Result<> set_order(Value& target, const Value& patch, const std::string& directive,
                   const Value& order, const TypeAt& at) {
  if (!order.is_array()) {
    return broken("expected a []interface {}, but received a " + go_type(order));
  }
  if (directive.size() <= kOrderPrefix.size() || directive[kOrderPrefix.size()] != '/') {
    return bad_format("setElementOrder list");
  }
  const std::string name = directive.substr(kOrderPrefix.size() + 1);
  Value* list = target.find(name);
  const Value* change = patch.find(name);
  for (const Value* value : {static_cast<const Value*>(list), change}) {
    if (value != nullptr && !value->is_array()) {
      return broken("expected a []interface {}, but received a " + go_type(*value));
    }
  }
  const TypeAt below = member_of(at, name);
  const Identity identity{below.field == nullptr ? std::string() : below.field->patch_key};
  if (change != nullptr) MR_TRY(check_order(change->items(), order.items(), identity));
  if (list == nullptr && change == nullptr) return {};
  const Value::Array server = list == nullptr ? Value::Array() : list->items();
  if (list == nullptr) {
    Value fresh = *change;
    drop_directives(fresh);
    target[name] = std::move(fresh);
  } else if (change != nullptr && merges(below)) {
    MR_TRY(merge_list(*list, *change, below));
  } else if (change != nullptr) {
    *list = *change;
  }
  MR_TRY(check_items(server, change == nullptr ? Value::Array() : change->items()));
  Value& merged = target[name];
  MR_ASSIGN(auto ordered, in_order(std::move(merged.items()), order.items(), server, identity));
  merged = Value(std::move(ordered));
  return {};
}

Result<> delete_from(Value& target, const std::string& directive, const Value& gone) {
  if (directive.size() <= kDeletePrefix.size() || directive[kDeletePrefix.size()] != '/') {
    return bad_format("primitive list");
  }
  const std::string name = directive.substr(kDeletePrefix.size() + 1);
  Value* list = target.find(name);
  if (gone.is_null()) target.erase(name);
  if (gone.is_null() || list == nullptr || !list->is_array() || !gone.is_array()) return {};
  if (list->empty() && gone.empty()) return {};
  MR_TRY(check_items(list->items(), gone.items()));
  std::erase_if(list->items(), [&](const Value& item) {
    return std::find(gone.items().begin(), gone.items().end(), item) != gone.items().end();
  });
  return {};
}

Result<> merge_member(Value& target, const std::string& name, const Value& change,
                      const TypeAt& at) {
  Value* old = target.find(name);
  const bool objects = old != nullptr && old->is_object() && change.is_object();
  const bool lists = old != nullptr && old->is_array() && change.is_array();
  const TypeAt below = member_of(at, name);
  if (change.is_null()) {
    target.erase(name);
  } else if (objects) {
    return merge_object(*old, change, below);
  } else if (lists && merges(below)) {
    return merge_list(*old, change, below);
  } else if (lists) {
    *old = change;
  } else {
    place(target, name, change);
  }
  return {};
}

Result<> merge_object(Value& target, const Value& patch, const TypeAt& at) {
  if (const Value* directive = patch.find(kPatch)) {
    const std::string& what = directive->as_string();
    if (what == "replace") {
      target = patch;
      target.erase(kPatch);
    } else if (what == "delete") {
      target = Value::object();
    } else {
      return broken("unknown patch type: " + go_plain(*directive) + " in map: " + go_plain(patch));
    }
    return {};
  }
  MR_TRY(retain_keys(target, patch));
  std::vector<std::string> ordered;
  for (const auto& [name, change] : patch.members()) {
    if (!name.starts_with(kOrderPrefix)) continue;
    MR_TRY(set_order(target, patch, name, change, at));
    if (name.size() > kOrderPrefix.size()) ordered.push_back(name.substr(kOrderPrefix.size() + 1));
  }
  for (const auto& [name, change] : patch.members()) {
    if (name.starts_with(kDeletePrefix)) MR_TRY(delete_from(target, name, change));
  }
  for (const auto& [name, change] : patch.members()) {
    const bool done = name.starts_with(kOrderPrefix) || name.starts_with(kDeletePrefix) ||
                      name == kRetainKeys ||
                      std::find(ordered.begin(), ordered.end(), name) != ordered.end();
    if (!done) MR_TRY(merge_member(target, name, change, at));
  }
  return {};
}

}  // namespace

Result<Value> strategic_merge(Value target, const Value& patch, const schema::Type& type) {
  if (patch.is_null()) return target;
  if (!patch.is_object()) {
    return fail(Code::Malformed, "json: cannot unmarshal " +
                                     std::string(patch.is_number() ? "number" : patch.kind_name()) +
                                     " into Go value of type map[string]interface {}");
  }
  if (!target.is_object()) target = Value::object();
  MR_TRY(merge_object(target, patch, {&type, nullptr}));
  return target;
}

}  // namespace millrace::patch
