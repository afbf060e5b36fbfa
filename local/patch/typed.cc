#include "local/patch/typed.h"

#include <algorithm>
#include <utility>

namespace millrace::patch {

using codec::Value;
using schema::ListKind;
using schema::Shape;

namespace {

/// Objects up to this size are searched from where the last search ended; larger ones by an index.
constexpr std::size_t kSmallObject = 32;

/// Finds members of one object, fast when asked in the object's own order.
class Members {
 public:
  explicit Members(const Value* object)
      : members_(object == nullptr ? nothing().members() : object->members()) {
    if (members_.size() <= kSmallObject) return;
    index_.reserve(members_.size());
    for (const auto& member : members_) index_.push_back(&member);
    std::sort(index_.begin(), index_.end(),
              [](const auto* a, const auto* b) { return a->first < b->first; });
  }

  const Value* find(std::string_view name) {
    if (next_ < members_.size() && members_[next_].first == name) return &members_[next_++].second;
    if (!index_.empty()) {
      const auto at = std::lower_bound(
          index_.begin(), index_.end(), name,
          [](const auto* member, std::string_view n) { return member->first < n; });
      return at != index_.end() && (*at)->first == name ? &(*at)->second : nullptr;
    }
    for (std::size_t i = 0; i < members_.size(); ++i) {
      if (members_[i].first != name) continue;
      next_ = i + 1;
      return &members_[i].second;
    }
    return nullptr;
  }

 private:
  static const Value& nothing() {
    static const Value none;
    return none;
  }

  const Value::Object& members_;
  std::vector<const Value::Member*> index_;
  std::size_t next_ = 0;
};

/// Items of a list by their elements. An element may occur more than once in stored lists.
struct Items {
  struct Entry {
    const std::string* element = nullptr;
    const Value* item = nullptr;
  };
  std::vector<std::string> elements;
  std::vector<Entry> sorted;

  Items(std::vector<std::string> names, const Value* list) : elements(std::move(names)) {
    for (std::size_t i = 0; i < elements.size(); ++i) {
      sorted.push_back({&elements[i], &list->items()[i]});
    }
    std::stable_sort(sorted.begin(), sorted.end(), [](const Entry& a, const Entry& b) {
      return element_less(*a.element, *b.element);
    });
  }
};

class Comparer {
 public:
  void run(const Value* l, const Value* r, const TypeAt& at, const FieldSet* ignored,
           Difference& out) {
    if (l != nullptr && r != nullptr && *l == *r) return;
    const Form left = l == nullptr ? Form::Leaf : form_of(at, *l);
    const Form right = r == nullptr ? Form::Leaf : form_of(at, *r);
    if (l != nullptr && r != nullptr && left != right) {
      // Another shape than before: what was inside is gone, what is inside now is new.
      if (left != Form::Leaf) children(l, nullptr, at, left, ignored, out);
      if (right != Form::Leaf) children(nullptr, r, at, right, ignored, out);
      out.changed.member = true;
      return;
    }
    const Form form = r == nullptr ? left : right;
    const bool hollow = (l == nullptr || l->empty()) && (r == nullptr || r->empty());
    const bool leaf = form == Form::Leaf || hollow || !children(l, r, at, form, ignored, out);
    if (r == nullptr) {
      out.removed.member = true;
    } else if (l == nullptr || leaf) {
      out.changed.member = true;
    }
  }

 private:
  /// False: the lists cannot be told item by item.
  bool children(const Value* l, const Value* r, const TypeAt& at, Form form,
                const FieldSet* ignored, Difference& out) {
    if (form == Form::Members) {
      members(l, r, at, ignored, out);
      return true;
    }
    return items(l, r, at, form, out);
  }

  void members(const Value* l, const Value* r, const TypeAt& at, const FieldSet* ignored,
               Difference& out) {
    Members left(l);
    Members right(r);
    const auto one = [&](const std::string& name, const Value* before, const Value* now) {
      if (before != nullptr && now != nullptr && *before == *now) return;
      const FieldSet* below = ignored == nullptr ? nullptr : ignored->find("f:" + name);
      if (below != nullptr && below->member) return;
      Difference difference;
      run(before, now, member_of(at, name), below, difference);
      append(out, "f:" + name, std::move(difference));
    };
    if (l != nullptr) {
      for (const auto& [name, before] : l->members()) one(name, &before, right.find(name));
    }
    if (r != nullptr) {
      for (const auto& [name, now] : r->members()) {
        if (left.find(name) == nullptr) one(name, nullptr, &now);
      }
    }
    sort_children(out.changed);
    sort_children(out.removed);
  }

  bool items(const Value* l, const Value* r, const TypeAt& at, Form form, Difference& out) {
    static const Value none;
    auto left_names = item_elements(at, l == nullptr ? none : *l, form);
    auto right_names = item_elements(at, r == nullptr ? none : *r, form);
    if (!left_names || !right_names) return false;
    const Items left(*std::move(left_names), l);
    const Items right(*std::move(right_names), r);
    auto i = left.sorted.begin();
    auto j = right.sorted.begin();
    while (i != left.sorted.end() || j != right.sorted.end()) {
      const bool from_left = j == right.sorted.end() ||
                             (i != left.sorted.end() && !element_less(*j->element, *i->element));
      const std::string& element = from_left ? *i->element : *j->element;
      const auto end = [&](auto at_item, const auto& all) {
        while (at_item != all.end() && *at_item->element == element) ++at_item;
        return at_item;
      };
      const auto i_end = end(i, left.sorted);
      const auto j_end = end(j, right.sorted);
      Difference difference;
      same_element({i, i_end}, {j, j_end}, at, difference);
      append(out, element, std::move(difference));
      i = i_end;
      j = j_end;
    }
    return true;
  }

  struct Run {
    std::vector<Items::Entry>::const_iterator begin;
    std::vector<Items::Entry>::const_iterator end;
    std::ptrdiff_t size() const { return end - begin; }
    const Value* first() const { return begin == end ? nullptr : begin->item; }
  };

  /// Items that occur more than once are owned as a whole, without their fields.
  void same_element(const Run& l, const Run& r, const TypeAt& at, Difference& out) {
    if (l.size() <= 1 && r.size() <= 1) {
      run(l.first(), r.first(), item_of(at), nullptr, out);
    } else if (l.size() >= 2 && r.size() >= 2) {
      const auto same = [](const Items::Entry& a, const Items::Entry& b) {
        return *a.item == *b.item;
      };
      out.changed.member = !std::equal(l.begin, l.end, r.begin, r.end, same);
    } else if (l.size() >= 2) {
      if (r.size() == 1) run(nullptr, r.first(), item_of(at), nullptr, out);
      out.removed.member = true;
    } else {
      if (l.size() == 1) run(l.first(), nullptr, item_of(at), nullptr, out);
      out.changed.member = true;
    }
  }

  static void append(Difference& out, const std::string& element, Difference&& below) {
    append_child(out.changed, element, std::move(below.changed));
    append_child(out.removed, element, std::move(below.removed));
  }
};

FieldSet fields_of(const Value& value, const TypeAt& at) {
  FieldSet set;
  const Form form = form_of(at, value);
  if (form == Form::Leaf) {
    set.member = true;
    return set;
  }
  if (form == Form::Members) {
    for (const auto& [name, member] : value.members()) {
      FieldSet child = fields_of(member, member_of(at, name));
      const bool hollow = member.is_null() || (member.is_object() && member.empty());
      if (hollow || !declares(at, name)) child.member = true;
      append_child(set, "f:" + name, std::move(child));
    }
    sort_children(set);
    return set;
  }
  const auto elements = item_elements(at, value, form);
  if (!elements) {
    set.member = true;
    return set;
  }
  for (std::size_t i = 0; i < elements->size(); ++i) {
    FieldSet child;
    const bool twice = std::count(elements->begin(), elements->end(), (*elements)[i]) > 1;
    if (!twice) child = fields_of(value.items()[i], item_of(at));
    child.member = true;
    FieldSet one;
    append_child(one, (*elements)[i], std::move(child));
    unite(set, one);
  }
  return set;
}

FieldSet named(const FieldSet& set, const TypeAt& at) {
  FieldSet out;
  out.member = set.member;
  for (const auto& child : set.children) {
    const bool field = child.element.starts_with("f:");
    const std::string_view name = std::string_view(child.element).substr(2);
    const TypeAt below = field ? member_of(at, name) : item_of(at);
    FieldSet inner = named(child.set, below);
    if (field && !child.set.children.empty() && declares(at, name)) inner.member = true;
    append_child(out, child.element, std::move(inner));
  }
  return out;
}

/// False: nothing is left of it.
bool strip(Value& value, const FieldSet& set, const TypeAt& at) {
  const Form form = form_of(at, value);
  if (form == Form::Leaf || value.empty()) return true;
  if (form == Form::Members) {
    std::erase_if(value.members(), [&](Value::Member& member) {
      const FieldSet* gone = set.find("f:" + member.first);
      if (gone == nullptr) return false;
      return gone->member || !strip(member.second, *gone, member_of(at, member.first));
    });
    return !value.empty();
  }
  const auto elements = item_elements(at, value, form);
  if (!elements) return true;
  Value::Array kept;
  for (std::size_t i = 0; i < elements->size(); ++i) {
    const FieldSet* gone = set.find((*elements)[i]);
    if (gone != nullptr && gone->member) continue;
    if (gone != nullptr) strip(value.items()[i], *gone, item_of(at));
    kept.push_back(std::move(value.items()[i]));
  }
  value = Value(std::move(kept));
  return !value.empty();
}

}  // namespace

Form form_of(const TypeAt& at, const Value& value) {
  const Form by_value = value.is_object() ? Form::Members : Form::Leaf;
  if (at.type == nullptr) return by_value;
  switch (at.type->shape) {
    case Shape::Any:
      // Built-in kinds own free-form content as a whole, custom ones member by member.
      return at.type->custom == nullptr ? Form::Leaf : by_value;
    case Shape::Object:
    case Shape::Map:
      if (at.type->atomic || (at.field != nullptr && at.field->atomic)) return Form::Leaf;
      return value.is_object() || value.is_null() ? Form::Members : Form::Leaf;
    case Shape::List:
      if (at.field == nullptr || at.field->list_kind == ListKind::Atomic) return Form::Leaf;
      if (!value.is_array() && !value.is_null()) return Form::Leaf;
      return at.field->list_kind == ListKind::Set ? Form::SetItems : Form::KeyedItems;
    default:
      return Form::Leaf;
  }
}

TypeAt member_of(const TypeAt& at, std::string_view name) {
  if (at.type == nullptr) return {};
  if (at.type->shape == Shape::Map) return {at.type->element, nullptr};
  if (at.type->shape != Shape::Object) return {};
  const schema::Field* field = at.type->find(name);
  return field == nullptr ? TypeAt{} : TypeAt{field->type, field};
}

TypeAt item_of(const TypeAt& at) {
  if (at.type == nullptr || at.type->shape != Shape::List) return {};
  return {at.type->element, nullptr};
}

bool declares(const TypeAt& at, std::string_view name) {
  return at.type != nullptr && at.type->shape == Shape::Object && at.type->find(name) != nullptr;
}

std::optional<std::string> item_element(const TypeAt& list, const Value& item, Form form,
                                        std::string* problem) {
  const auto refuse = [&](std::string why) -> std::optional<std::string> {
    if (problem != nullptr) *problem = std::move(why);
    return std::nullopt;
  };
  if (form == Form::SetItems) {
    if (item.is_null())
      return refuse("associative list without keys has an element that's an explicit null");
    if (item.is_array()) return refuse("not supported: associative list with lists as elements");
    if (item.is_object()) {
      return refuse("associative list without keys has an element that's a map type");
    }
    return "v:" + item.dump();
  }
  if (item.is_null()) return refuse("associative list with keys may not have a null element");
  if (!item.is_object()) {
    return refuse("associative list with keys may not have non-map elements");
  }
  std::vector<const std::string*> names;
  for (const std::string& name : list.field->list_keys) names.push_back(&name);
  std::sort(names.begin(), names.end(), [](const auto* a, const auto* b) { return *a < *b; });
  std::string element = "k:{";
  for (const std::string* name : names) {
    Value zero;
    const Value* value = item.find(*name);
    if (value == nullptr) {
      const TypeAt at = member_of(item_of(list), *name);
      if (at.field != nullptr && !at.field->default_value.is_null()) {
        value = &at.field->default_value;
      } else if (at.field != nullptr && item_of(list).type->custom == nullptr) {
        // Members of built-in kinds are there in any case, if only as "" or 0.
        zero = schema::zero_value(*at.type);
        value = &zero;
      } else {
        std::string all;
        for (const std::string* key : names) all += (all.empty() ? "\"" : " \"") + *key + "\"";
        return refuse("associative list with keys has an element that omits all key fields [" +
                      all + "] (and doesn't have default values for any key fields)");
      }
    }
    if (element.size() > 3) element += ',';
    codec::append_json_string(element, *name);
    element += ':';
    if (value->is_string()) {
      codec::append_json_string(element, value->as_string());
    } else {
      element += value->dump();
    }
  }
  return element + "}";
}

std::optional<std::vector<std::string>> item_elements(const TypeAt& list, const Value& items,
                                                      Form form) {
  std::vector<std::string> elements;
  elements.reserve(items.items().size());
  for (const Value& item : items.items()) {
    auto element = item_element(list, item, form, nullptr);
    if (!element) return std::nullopt;
    elements.push_back(*std::move(element));
  }
  return elements;
}

Difference compare(const Value& before, const Value& now, const schema::Type& type,
                   const FieldSet& ignored) {
  Difference difference;
  Comparer().run(&before, &now, {&type, nullptr}, &ignored, difference);
  difference.changed.member = false;
  difference.removed.member = false;
  return difference;
}

FieldSet field_set(const Value& body, const schema::Type& type) {
  FieldSet set = fields_of(body, {&type, nullptr});
  set.member = false;
  return set;
}

FieldSet with_named(const FieldSet& set, const schema::Type& type) {
  return named(set, {&type, nullptr});
}

Value without(Value document, const FieldSet& set, const schema::Type& type) {
  strip(document, set, {&type, nullptr});
  return document;
}

}  // namespace millrace::patch
