#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "operator/cli/cli.h"

namespace millrace::cli {

Result<std::string> read_file(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  // An empty file sets failbit on the output; a directory opens but cannot be read.
  if (file.is_open() && file.peek() != std::ifstream::traits_type::eof()) content << file.rdbuf();
  if (file.is_open() && !file.bad() && errno == 0) return content.str();
  const int error = errno == 0 ? EIO : errno;
  const Code code = error == ENOENT   ? Code::NotFound
                    : error == EACCES ? Code::Denied
                                      : Code::Unavailable;
  return fail(code, path + ": " + std::strerror(error));
}

}  // namespace millrace::cli
