/// `millrace validate`: manifests checked without a cluster, by the rules of the API server and of
/// the operator.
#pragma once

#include <string>
#include <vector>

#include "operator/cli/cli.h"

namespace millrace::cli {

struct ValidateRequest {
  std::vector<std::string> files;  ///< "-" is standard input
  std::string config_file;  ///< path; adapter images are checked against it; empty: not checked
  bool server = false;      ///< ask the server of `choice` as well
  ClusterChoice choice;
};

/// Check all files and print what was found, one line each:
/// `file:line:column: error: field: what is wrong`. Errors and warnings go to `err`, a summary of
/// the files without errors to `out`. `path` is "millrace validate". Gives kFailure when there was
/// any error.
int validate_files(const ValidateRequest& request, const std::string& path,
                   const Environment& environment);

}  // namespace millrace::cli
