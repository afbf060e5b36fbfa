/// The folder that holds everything of one local mode, and the lock that says who uses it.
///
///   DIR/lock        who uses the folder, held while they do (an OFD lock, gone with its process)
///   DIR/kubeconfig  for kubectl and every other command; context millrace-local
///   DIR/token       the only bearer token
///   DIR/tls/        the server's authority and certificate
///   DIR/millrace.db objects (SQLite)
///   DIR/pods/       the executor's: folders and logs of pods
///   DIR/log         what a server in the background has to say
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "kubeclient/base/clock.h"
#include "kubeclient/base/result.h"

namespace millrace::mode {

/// The default folder: $MILLRACE_DATA, else $XDG_STATE_HOME/millrace, else ~/.local/state/millrace.
/// Errors: Invalid (none of them is set).
Result<std::string> default_data_dir(
    const std::function<std::optional<std::string>(const char*)>& variable);

/// Paths in the folder.
class DataDir {
 public:
  explicit DataDir(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  std::string lock() const { return path_ + "/lock"; }
  std::string kubeconfig() const { return path_ + "/kubeconfig"; }
  std::string token() const { return path_ + "/token"; }
  std::string certificates() const { return path_ + "/tls"; }
  std::string database() const { return path_ + "/millrace.db"; }
  std::string pods() const { return path_ + "/pods"; }
  std::string log() const { return path_ + "/log"; }

  /// Make the folder and those above it, for this user only. Errors: Unavailable, naming it.
  Result<> create() const;
  /// Sum of the files' sizes [bytes].
  std::uint64_t size() const;

 private:
  std::string path_;
};

/// Who uses a folder.
struct Owner {
  int pid = 0;
  std::string address;   ///< of its server; empty: it has none (yet)
  std::string webhooks;  ///< where it takes webhooks, "http://127.0.0.1:41234"; empty: nowhere
  std::string command;   ///< "up" or "run"
  bool ready = false;
  Time since{};
  bool operator==(const Owner&) const = default;
};

/// Held while a process uses the folder. Movable; let go by the destructor, or by the kernel when
/// the process is gone, however that happened.
class DataLock {
 public:
  /// Errors: AlreadyExists (another process holds it), Unavailable (the file cannot be opened).
  static Result<DataLock> take(const DataDir& dir);
  DataLock(DataLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  DataLock& operator=(DataLock&& other) = delete;
  ~DataLock();

  /// Say who holds it.
  Result<> publish(const Owner& owner) const;

 private:
  explicit DataLock(int fd) : fd_(fd) {}
  int fd_;
};

/// Who holds the lock now; none: nobody. Never waits.
std::optional<Owner> current_owner(const DataDir& dir);
/// Who held it last, or holds it; for the address to be used again.
std::optional<Owner> last_owner(const DataDir& dir);

/// The whole file; empty when there is none. Errors: Unavailable.
Result<std::string> read_file_or_empty(const std::string& path);
/// Replace a file at once, readable by its owner only. Errors: Unavailable, naming it.
Result<> write_private_file(const std::string& path, std::string_view text);

/// The token in DIR/token, made when it is missing: 256 random bits in hex. Errors: Unavailable.
Result<std::string> token_of(const DataDir& dir);

/// A kubeconfig for the server at `address`, whose certificate `authority` (PEM) signed.
std::string kubeconfig_text(std::string_view address, std::string_view authority,
                            std::string_view token);

}  // namespace millrace::mode
