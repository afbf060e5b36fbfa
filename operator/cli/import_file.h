/// `millrace import`: files of conveyor-belt and of the pipeline-operator as ours. Pure.
///
/// The text is kept but for the lines that have to change, so that comments and layout survive.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "crds/validate.h"
#include "kubeclient/base/result.h"

namespace millrace::cli {

/// A converted file.
struct Imported {
  std::string text;                     ///< YAML with our kinds
  std::vector<crds::Finding> findings;  ///< Notes: what changes in meaning. Errors: cannot be had
  bool ok() const;                      ///< no errors
};

/// Convert the content of `file`. Errors: Invalid, as "file:line:column: ...": no YAML at all.
Result<Imported> import_text(std::string_view text, const std::string& file,
                             const crds::DeeperChecks& deeper);

}  // namespace millrace::cli
