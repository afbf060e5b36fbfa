/// Which Millrace this is.
#pragma once

#include <string>
#include <string_view>

namespace millrace::cli {

/// All as of the last configuration of the build.
struct VersionInfo {
  std::string_view version;     ///< "0.1.0"
  std::string_view commit;      ///< short hash, "-dirty" when the tree was changed, or "unknown"
  std::string_view build_type;  ///< "Release", "Debug", ...
  std::string_view compiler;    ///< "GNU 12.2.0"
};
const VersionInfo& version_info();

/// "millrace 0.1.0 (commit ..., Release build, GNU 12.2.0)" and a newline.
std::string version_text();
/// The same as a JSON object of strings and a newline.
std::string version_json();

}  // namespace millrace::cli
