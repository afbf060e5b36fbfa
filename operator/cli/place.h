/// Places in files, as compilers write them.
#pragma once

#include <string>

#include "kubeclient/codec/yaml.h"

namespace millrace::cli {

/// "file:line:column: ", without what is unknown.
std::string place(const std::string& file, codec::YamlPosition position);

}  // namespace millrace::cli
