/// A folder for the files of one test; gone with its object.
#pragma once

#include <string>
#include <string_view>

namespace millrace::support {

class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }
  /// Write a file (its folders are made) and give its full path.
  std::string write(const std::string& name, std::string_view text) const;
  /// Write an executable shell script.
  std::string write_script(const std::string& name, std::string_view body) const;

 private:
  std::string path_;
};

}  // namespace millrace::support
