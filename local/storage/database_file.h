/// The files of a database on disk: the lock, how a new one comes to be, and whose a present one
/// is.
#pragma once

#include <memory>
#include <string>

#include "kubeclient/base/result.h"

namespace millrace::storage {

inline constexpr int kApplicationId = 0x4d696c6c;  // "Mill"
inline constexpr int kSchemaVersion = 1;

/// What to do about a damaged file; ends an error's message.
std::string cure_for(const std::string& path);

/// Keeps other processes (and other storages of this one) away from PATH while it lives.
class FileLock {
 public:
  static Result<std::unique_ptr<FileLock>> take(const std::string& path);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_;
};

enum class FileState { Missing, Ours };

/// Look at the first bytes of PATH without changing anything. Errors: Malformed, Unavailable.
Result<FileState> inspect_file(const std::string& path);
/// An empty file PATH that only this user may read. Errors: Unavailable.
Result<void> make_private_file(const std::string& path);
/// Errors: Unavailable.
Result<void> rename_file(const std::string& from, const std::string& to);

}  // namespace millrace::storage
