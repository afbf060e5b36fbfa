#include "operator/cli/version.h"

#include "kubeclient/codec/value.h"

namespace millrace::cli {

std::string version_text() {
  const VersionInfo& info = version_info();
  std::string text = "millrace ";
  text.append(info.version).append(" (commit ").append(info.commit).append(", ");
  text.append(info.build_type).append(" build, ").append(info.compiler).append(")\n");
  return text;
}

std::string version_json() {
  const VersionInfo& info = version_info();
  return codec::Value::object({{"version", info.version},
                               {"commit", info.commit},
                               {"buildType", info.build_type},
                               {"compiler", info.compiler}})
             .dump() +
         "\n";
}

}  // namespace millrace::cli
