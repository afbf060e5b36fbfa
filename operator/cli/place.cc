#include "operator/cli/place.h"

namespace millrace::cli {

std::string place(const std::string& file, codec::YamlPosition position) {
  std::string text = file;
  if (position.line > 0) text += ":" + std::to_string(position.line);
  if (position.line > 0 && position.column > 0) text += ":" + std::to_string(position.column);
  return text + ": ";
}

}  // namespace millrace::cli
