/// Sets of field paths, as managedFields stores them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kubeclient/codec/value.h"

namespace millrace::patch {

/// Paths below one place, as a tree. Elements are spelled as in FieldsV1: `f:name`,
/// `k:{"name":"a"}` (members sorted by name), `v:"x"`, `i:3`. Children are in the order of
/// `element_less`, unique, and none of them is empty.
struct FieldSet {
  struct Child;
  bool member = false;  ///< the place itself is in the set
  std::vector<Child> children;

  bool empty() const { return !member && children.empty(); }
  const FieldSet* find(std::string_view element) const;
  bool operator==(const FieldSet& other) const;
};

struct FieldSet::Child {
  std::string element;
  FieldSet set;
  bool operator==(const Child& other) const = default;
};

/// The order of elements: fields, keys, values, indices; numbers in keys and values by size.
bool element_less(std::string_view a, std::string_view b);

/// Append a child that is not there yet, unless it is empty; `sort_children` once all are appended.
void append_child(FieldSet& set, std::string element, FieldSet child);
void sort_children(FieldSet& set);

void unite(FieldSet& into, const FieldSet& from);
/// Take away exactly the paths of `what`, not what lies below them.
void subtract(FieldSet& from, const FieldSet& what);
FieldSet intersection(const FieldSet& a, const FieldSet& b);
/// Take away the paths of `what` and all that lies below them.
void exclude(FieldSet& from, const FieldSet& what);

/// Read a FieldsV1 that this program wrote; takes its strings.
FieldSet decode_own(codec::Value fields);
/// Read a FieldsV1 that a client sent. None when it is not one.
std::optional<FieldSet> decode_foreign(const codec::Value& fields);
codec::Value encode(FieldSet set);

/// One element as messages write it: `.spec`, `[name="a"]`, `[="x"]`, `[3]`.
std::string element_text(std::string_view element);
/// Every path, spelled as messages do; what is nearer to the top comes first.
std::vector<std::string> path_texts(const FieldSet& set);

}  // namespace millrace::patch
