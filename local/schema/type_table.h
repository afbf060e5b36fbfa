/// Types made of tables and of structural schemas.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "local/schema/type.h"

namespace millrace::schema {

/// Types and where to find them.
struct TypeLibrary {
  Types types;
  std::map<std::string, const Type*, std::less<>> by_name;  ///< "core.v1.Pod"

  /// The type of that name; one that is missing is a bug.
  const Type& get(std::string_view name) const;
};

/// Read tables (see tables.h), which may refer to each other. A mistake in a table is a bug.
TypeLibrary read_tables(const std::vector<std::string_view>& tables);

/// Write the numbers of protobuf (see tables.h) into the fields. A mistake in the table is a bug.
void add_numbers(TypeLibrary& library, std::string_view table);

/// Add the type of a custom kind made of its structural schema, which outlives it; `metadata` is
/// the type of its metadata.
const Type& add_custom(Types& types, const codec::Value& schema, const Type& metadata);

}  // namespace millrace::schema
