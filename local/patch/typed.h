/// Documents seen through their types: which fields one has, what differs between two, and the
/// merge of server-side apply. Source: Kubernetes, structured-merge-diff v6, typed.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kubeclient/codec/value.h"
#include "local/patch/field_set.h"
#include "local/schema/type.h"

namespace millrace::patch {

/// The type of a place in a document.
struct TypeAt {
  const schema::Type* type = nullptr;    ///< null: told from the value alone
  const schema::Field* field = nullptr;  ///< null: an item, a value of a map, or the document
};

/// How the content of a place is owned.
enum class Form { Leaf, Members, SetItems, KeyedItems };

/// The form of `value`, whatever its shape is.
Form form_of(const TypeAt& at, const codec::Value& value);
TypeAt member_of(const TypeAt& at, std::string_view name);
TypeAt item_of(const TypeAt& at);
/// Whether the object type declares the member.
bool declares(const TypeAt& at, std::string_view name);
/// The path element of an item of a set or keyed list. `problem` is why it has none.
std::optional<std::string> item_element(const TypeAt& list, const codec::Value& item, Form form,
                                        std::string* problem);
/// The elements of all items in order; none when one item has no element.
std::optional<std::vector<std::string>> item_elements(const TypeAt& list, const codec::Value& items,
                                                      Form form);

/// What an update did.
struct Difference {
  FieldSet changed;  ///< new, or of another value
  FieldSet removed;
};
/// Compare without the paths of `ignored` and what lies below them (metadata's bookkeeping).
Difference compare(const codec::Value& before, const codec::Value& now, const schema::Type& type,
                   const FieldSet& ignored);

/// The fields that a body speaks of.
FieldSet field_set(const codec::Value& body, const schema::Type& type);
/// `set` with every declared member above its paths as a path of its own.
FieldSet with_named(const FieldSet& set, const schema::Type& type);
/// Server-side apply's merge: `body` over `live`.
codec::Value typed_merge(const codec::Value& live, const codec::Value& body,
                         const schema::Type& type);
/// `document` without the fields and items of `set`.
codec::Value without(codec::Value document, const FieldSet& set, const schema::Type& type);

/// Why `body` does not fit the type: unknown fields, shapes, items that occur twice or lack a key.
/// Worded as the API server does; empty: it fits.
std::string typed_problems(const codec::Value& body, const schema::Type& type);

}  // namespace millrace::patch
