/// YAML files of people into Values with line numbers, and Values into readable YAML.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "kubeclient/base/result.h"
#include "kubeclient/codec/value.h"

namespace millrace::codec {

/// A place in a file; both count from 1, zero means unknown.
struct YamlPosition {
  int line = 0;
  int column = 0;
  bool operator==(const YamlPosition&) const = default;
};

/// One document of a file.
struct YamlDocument {
  Value value;
  YamlPosition start;
  std::map<std::string, YamlPosition, std::less<>> positions;  ///< by field path, see position_of

  /// Where the field stands, e.g. "spec.batchJob.outputs[1].name"; for a path that is not there,
  /// the nearest field above it that is.
  YamlPosition position_of(std::string_view path) const;
  int line_of(std::string_view path) const { return position_of(path).line; }
};

/// Read all documents of a file; empty ones are left out. Plain scalars get their types as in the
/// YAML reader of kubectl (yes, on, off are booleans, 0x10 and 010 are numbers, times are strings);
/// quoted ones are strings. Anchors, aliases and merge keys work.
/// Errors: Invalid, as "file:line:column: what is wrong": syntax, repeated keys, keys that are no
/// scalars, nesting above 100, more than 8 MiB, more than 500,000 values (aliases counted as often
/// as they are used), bytes that are not UTF-8. Source: sigs.k8s.io/yaml, goyaml.v2 resolve.go.
/// With `failed_at` the place goes there and not into the message.
Result<std::vector<YamlDocument>> parse_yaml_documents(std::string_view text,
                                                       std::string_view file = "",
                                                       YamlPosition* failed_at = nullptr);

/// `value` as block YAML that reads back equal, in the order of its members; ends with a newline.
std::string to_yaml(const Value& value);

}  // namespace millrace::codec
