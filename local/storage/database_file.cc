#include "local/storage/database_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string_view>

namespace millrace::storage {
namespace {

std::string errno_text(int number) { return std::strerror(number); }

std::string advice(int number) {
  switch (number) {
    case ENOENT:
    case ENOTDIR:
      return "; make its folder first, or name another file";
    case EACCES:
    case EPERM:
    case EROFS:
      return "; choose a file that this user may write";
    case ENOSPC:
    case EDQUOT:
      return "; free some space and try again";
    default:
      return "";
  }
}

auto unavailable(const std::string& path, const std::string& what, int number) {
  return fail(Code::Unavailable, path + ": " + what + ": " + errno_text(number) + advice(number));
}

std::uint32_t big_endian(const std::array<unsigned char, 100>& bytes, std::size_t at) {
  return (std::uint32_t{bytes[at]} << 24) | (std::uint32_t{bytes[at + 1]} << 16) |
         (std::uint32_t{bytes[at + 2]} << 8) | std::uint32_t{bytes[at + 3]};
}

auto malformed(const std::string& path, const std::string& what) {
  return fail(Code::Malformed, path + ": " + what + "; " + cure_for(path));
}

}  // namespace

std::string cure_for(const std::string& path) {
  return "put a good copy back, or move " + path + ", " + path + "-wal and " + path +
         "-shm away to start with an empty store; nothing was changed";
}

Result<std::unique_ptr<FileLock>> FileLock::take(const std::string& path) {
  const std::string name = path + ".lock";
  const int fd = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return unavailable(name, "cannot open the lock file", errno);
  std::unique_ptr<FileLock> lock(new FileLock(fd));
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return unavailable(name, "cannot lock", errno);
    std::array<char, 24> pid{};
    const bool known = ::pread(fd, pid.data(), pid.size() - 1, 0) > 0;
    return fail(Code::Unavailable, path + ": in use by another process" +
                                       (known ? " (" + std::string(pid.data()) + ")" : "") +
                                       "; stop that one first, or use another file");
  }
  // Only for the message above; a full disk must not keep us from starting.
  const std::string pid = "pid " + std::to_string(::getpid());
  if (::ftruncate(fd, 0) != 0 || ::pwrite(fd, pid.data(), pid.size(), 0) < 0) return lock;
  return lock;
}

FileLock::~FileLock() { ::close(fd_); }

Result<FileState> inspect_file(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    if (errno != ENOENT) return unavailable(path, "cannot look at it", errno);
    const std::string wal = path + "-wal";
    if (::stat(wal.c_str(), &info) == 0 && info.st_size > 0) {
      return malformed(path, "the file is missing, but its write-ahead log is there");
    }
    return FileState::Missing;
  }
  if (!S_ISREG(info.st_mode)) return malformed(path, "not a regular file");
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return unavailable(path, "cannot open it", errno);
  std::array<unsigned char, 100> head{};
  const ssize_t got = ::pread(fd, head.data(), head.size(), 0);
  const int number = errno;
  ::close(fd);
  if (got < 0) return unavailable(path, "cannot read it", number);
  constexpr std::string_view kMagic("SQLite format 3\0", 16);
  if (got < 100 || std::memcmp(head.data(), kMagic.data(), kMagic.size()) != 0) {
    return malformed(path, got == 0 ? "the file is empty" : "damaged, or no database at all");
  }
  // Source: SQLite, "Database File Format", offsets 60 (user_version) and 68 (application_id).
  if (big_endian(head, 68) != std::uint32_t{kApplicationId}) {
    return malformed(path, "a database of another program");
  }
  if (big_endian(head, 60) > std::uint32_t{kSchemaVersion}) {
    return malformed(path, "written by a later release of millrace (format " +
                               std::to_string(big_endian(head, 60)) + ", this one knows " +
                               std::to_string(kSchemaVersion) + "): use that release");
  }
  return FileState::Ours;
}

Result<void> make_private_file(const std::string& path) {
  ::unlink(path.c_str());
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return unavailable(path, "cannot create it", errno);
  ::close(fd);
  return {};
}

Result<void> rename_file(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) == 0) return {};
  return unavailable(to, "cannot create it", errno);
}

}  // namespace millrace::storage
