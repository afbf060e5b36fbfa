#include "local/patch/field_set.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace millrace::patch {

using codec::Value;

namespace {

int rank(std::string_view element) {
  switch (element.empty() ? '\0' : element[0]) {
    case 'f':
      return 0;
    case 'k':
      return 1;
    case 'v':
      return 2;
    default:
      return 3;
  }
}

bool number_part(char c) { return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.'; }

/// The number that `text` has around byte `at`; none when there stands something else.
std::optional<double> number_around(std::string_view text, std::size_t at) {
  std::size_t begin = at;
  while (begin > 0 && number_part(text[begin - 1])) --begin;
  if (begin == 0 || (text[begin - 1] != ':' && text[begin - 1] != ',')) return std::nullopt;
  double number = 0;
  const auto [end, error] = std::from_chars(text.data() + begin, text.data() + text.size(), number);
  if (error != std::errc() || end == text.data() + begin) return std::nullopt;
  return number;
}

template <class Visit>
void walk_paths(const FieldSet& set, const std::string& prefix, const Visit& visit) {
  for (const auto& child : set.children) {
    if (child.set.member) visit(prefix + element_text(child.element));
  }
  for (const auto& child : set.children) {
    if (!child.set.children.empty()) {
      walk_paths(child.set, prefix + element_text(child.element), visit);
    }
  }
}

bool plain(const Value& value) { return !value.is_object() && !value.is_array(); }

/// The canonical spelling of an element of a client; none when it is not one.
std::optional<std::string> canonical(std::string_view element) {
  if (element.starts_with("f:")) return std::string(element);
  if (element.size() < 3 || element[1] != ':') return std::nullopt;
  const auto parsed = Value::parse(element.substr(2));
  if (!parsed.ok()) return std::nullopt;
  const std::string prefix(element.substr(0, 2));
  if (prefix == "v:" && plain(*parsed)) return prefix + parsed->dump();
  if (prefix == "i:" && parsed->is_int()) return prefix + parsed->dump();
  if (prefix != "k:" || !parsed->is_object()) return std::nullopt;
  Value::Object members = parsed->members();
  for (const auto& [name, value] : members) {
    if (!plain(value)) return std::nullopt;
  }
  std::sort(members.begin(), members.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  return prefix + Value(std::move(members)).dump();
}

}  // namespace

const FieldSet* FieldSet::find(std::string_view element) const {
  const auto at = std::lower_bound(children.begin(), children.end(), element,
                                   [](const Child& child, std::string_view wanted) {
                                     return element_less(child.element, wanted);
                                   });
  return at != children.end() && at->element == element ? &at->set : nullptr;
}

bool FieldSet::operator==(const FieldSet& other) const {
  return member == other.member && children == other.children;
}

bool element_less(std::string_view a, std::string_view b) {
  if (!a.empty() && !b.empty() && a[0] == 'f' && b[0] == 'f') return a < b;  // nearly all
  const int rank_a = rank(a);
  const int rank_b = rank(b);
  if (rank_a != rank_b) return rank_a < rank_b;
  if (rank_a != 0) {
    const auto [in_a, in_b] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
    if (in_a == a.end() && in_b == b.end()) return false;
    const auto at = static_cast<std::size_t>(in_a - a.begin());
    const auto number_a = number_around(a, at);
    const auto number_b = number_around(b, at);
    if (number_a && number_b && *number_a != *number_b) return *number_a < *number_b;
  }
  return a < b;
}

void append_child(FieldSet& set, std::string element, FieldSet child) {
  if (!child.empty()) set.children.push_back({std::move(element), std::move(child)});
}

void sort_children(FieldSet& set) {
  const auto less = [](const FieldSet::Child& a, const FieldSet::Child& b) {
    return element_less(a.element, b.element);
  };
  if (!std::is_sorted(set.children.begin(), set.children.end(), less)) {
    std::sort(set.children.begin(), set.children.end(), less);
  }
}

void unite(FieldSet& into, const FieldSet& from) {
  into.member = into.member || from.member;
  std::vector<FieldSet::Child> added;
  auto at = into.children.begin();
  for (const auto& child : from.children) {
    while (at != into.children.end() && element_less(at->element, child.element)) ++at;
    if (at != into.children.end() && at->element == child.element) {
      unite(at->set, child.set);
    } else {
      added.push_back(child);
    }
  }
  if (added.empty()) return;
  std::move(added.begin(), added.end(), std::back_inserter(into.children));
  sort_children(into);
}

void subtract(FieldSet& from, const FieldSet& what) {
  if (what.member) from.member = false;
  auto at = from.children.begin();
  bool emptied = false;
  for (const auto& child : what.children) {
    while (at != from.children.end() && element_less(at->element, child.element)) ++at;
    if (at == from.children.end()) break;
    if (at->element != child.element) continue;
    subtract(at->set, child.set);
    emptied = emptied || at->set.empty();
  }
  if (emptied) std::erase_if(from.children, [](const auto& child) { return child.set.empty(); });
}

void exclude(FieldSet& from, const FieldSet& what) {
  std::erase_if(from.children, [&](FieldSet::Child& child) {
    const FieldSet* gone = what.find(child.element);
    if (gone == nullptr) return false;
    if (!gone->member) exclude(child.set, *gone);
    return gone->member || child.set.empty();
  });
}

FieldSet intersection(const FieldSet& a, const FieldSet& b) {
  FieldSet both;
  both.member = a.member && b.member;
  auto at = a.children.begin();
  for (const auto& child : b.children) {
    while (at != a.children.end() && element_less(at->element, child.element)) ++at;
    if (at == a.children.end()) break;
    if (at->element == child.element) {
      append_child(both, child.element, intersection(at->set, child.set));
    }
  }
  return both;
}

FieldSet decode_own(Value fields) {
  FieldSet set;
  if (!fields.is_object()) return set;
  set.children.reserve(fields.members().size());
  for (auto& [element, below] : fields.members()) {
    if (element == ".") {
      set.member = true;
      continue;
    }
    FieldSet child = decode_own(std::move(below));
    if (child.empty()) child.member = true;
    set.children.push_back({std::move(element), std::move(child)});
  }
  sort_children(set);
  return set;
}

std::optional<FieldSet> decode_foreign(const Value& fields) {
  if (!fields.is_object()) return std::nullopt;
  FieldSet set;
  for (const auto& [element, below] : fields.members()) {
    if (element == ".") {
      set.member = true;
      continue;
    }
    auto name = canonical(element);
    auto child = decode_foreign(below);
    if (!name || !child) return std::nullopt;
    if (child->empty()) child->member = true;
    FieldSet one;
    append_child(one, *std::move(name), *std::move(child));
    unite(set, one);
  }
  return set;
}

Value encode(FieldSet set) {
  Value::Object members;
  members.reserve(set.children.size() + 1);
  if (set.member && !set.children.empty()) members.emplace_back(".", Value::object());
  for (auto& child : set.children) {
    members.emplace_back(std::move(child.element), encode(std::move(child.set)));
  }
  return Value(std::move(members));
}

std::string element_text(std::string_view element) {
  if (element.size() < 2) return {};
  const std::string_view rest = element.substr(2);
  if (element[0] == 'f') return "." + std::string(rest);
  if (element[0] == 'v') return "[=" + std::string(rest) + "]";
  if (element[0] != 'k') return "[" + std::string(rest) + "]";
  std::string text;
  const auto parsed = Value::parse(rest);
  if (!parsed.ok()) return "[" + std::string(rest) + "]";
  for (const auto& [name, value] : parsed->members()) {
    text += (text.empty() ? "" : ",") + name + "=" + value.dump();
  }
  return "[" + text + "]";
}

std::vector<std::string> path_texts(const FieldSet& set) {
  std::vector<std::string> texts;
  walk_paths(set, "", [&](std::string text) { texts.push_back(std::move(text)); });
  return texts;
}

}  // namespace millrace::patch
