#include "local/mode/data_dir.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "kubeclient/base/time_format.h"
#include "kubeclient/client/pem.h"
#include "kubeclient/codec/value.h"
#include "kubeclient/codec/yaml.h"

namespace millrace::mode {
namespace {

namespace fs = std::filesystem;
using codec::Value;

constexpr const char* kName = "millrace-local";

tl::unexpected<Error> unusable(const std::string& path, const std::string& why) {
  return fail(Code::Unavailable, "cannot use \"" + path + "\": " + why +
                                     "; make it writable for you, or give another folder (--data)");
}

/// Everything from the start of an open file.
std::string content_of(int fd) {
  std::string text;
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t n = ::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(text.size()));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno != EINTR) return false;
    if (n > 0) text.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

struct flock whole_file() {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

std::optional<Owner> parse_owner(std::string_view text) {
  const auto value = Value::parse(text);
  if (!value.ok() || !value->is_object()) return std::nullopt;
  const auto string_of = [&](std::string_view key) {
    const Value* member = value->find(key);
    return member == nullptr ? std::string() : member->as_string();
  };
  Owner owner;
  if (const Value* pid = value->find("pid")) owner.pid = static_cast<int>(pid->as_int());
  owner.address = string_of("address");
  owner.webhooks = string_of("webhooks");
  owner.command = string_of("command");
  if (const Value* ready = value->find("ready")) owner.ready = ready->as_bool();
  if (const auto since = parse_time(string_of("since")); since.ok()) owner.since = *since;
  return owner;
}

/// An open file, closed at the end.
struct File {
  explicit File(int descriptor) : fd(descriptor) {}
  ~File() {
    if (fd >= 0) ::close(fd);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd;
};

}  // namespace

Result<std::string> default_data_dir(
    const std::function<std::optional<std::string>(const char*)>& variable) {
  const auto set = [&](const char* name) {
    auto value = variable(name);
    return value && !value->empty() ? value : std::nullopt;
  };
  if (auto data = set("MILLRACE_DATA")) return *data;
  if (auto state = set("XDG_STATE_HOME")) return *state + "/millrace";
  if (auto home = set("HOME")) return *home + "/.local/state/millrace";
  return fail(Code::Invalid, "where shall the data be? Give --data DIR, or set MILLRACE_DATA");
}

Result<> DataDir::create() const {
  std::error_code error;
  const fs::path parent = fs::path(path_).parent_path();
  if (!parent.empty()) fs::create_directories(parent, error);
  if (error) return unusable(path_, error.message());
  if (::mkdir(path_.c_str(), 0700) == 0) return {};
  if (errno != EEXIST) return unusable(path_, std::strerror(errno));
  struct stat info {};
  if (::stat(path_.c_str(), &info) != 0) return unusable(path_, std::strerror(errno));
  if (!S_ISDIR(info.st_mode)) return unusable(path_, "it is a file");
  // Logs and objects hold secrets of the pipelines.
  if ((info.st_mode & 077) != 0) ::chmod(path_.c_str(), 0700);
  return {};
}

std::uint64_t DataDir::size() const {
  std::uint64_t sum = 0;
  std::error_code error;
  fs::recursive_directory_iterator it(path_, fs::directory_options::skip_permission_denied, error);
  while (!error && it != fs::recursive_directory_iterator()) {
    std::error_code gone;  // pods come and go meanwhile
    if (it->is_regular_file(gone) && !it->is_symlink(gone)) {
      const std::uint64_t size = it->file_size(gone);
      if (!gone) sum += size;
    }
    it.increment(error);
  }
  return sum;
}

Result<DataLock> DataLock::take(const DataDir& dir) {
  const int fd = ::open(dir.lock().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return unusable(dir.lock(), std::strerror(errno));
  DataLock lock(fd);
  struct flock wish = whole_file();
  if (::fcntl(fd, F_OFD_SETLK, &wish) == 0) return lock;
  if (errno != EAGAIN && errno != EACCES) return unusable(dir.lock(), std::strerror(errno));
  return fail(Code::AlreadyExists, "another process uses \"" + dir.path() + "\"");
}

DataLock::~DataLock() {
  if (fd_ >= 0) ::close(fd_);
}

Result<> DataLock::publish(const Owner& owner) const {
  const std::string text = Value::object({{"pid", owner.pid},
                                          {"address", owner.address},
                                          {"webhooks", owner.webhooks},
                                          {"command", owner.command},
                                          {"ready", owner.ready},
                                          {"since", format_micro_time(owner.since)}})
                               .dump() +
                           "\n";
  const auto size = static_cast<off_t>(text.size());
  if (::pwrite(fd_, text.data(), text.size(), 0) != size || ::ftruncate(fd_, size) != 0) {
    return fail(Code::Unavailable, std::string("cannot write the lock file: ") +
                                       std::strerror(errno) + "; is the disk full?");
  }
  return {};
}

std::optional<Owner> current_owner(const DataDir& dir) {
  const File file(::open(dir.lock().c_str(), O_RDWR | O_CLOEXEC));
  if (file.fd < 0) return std::nullopt;
  struct flock found = whole_file();
  if (::fcntl(file.fd, F_OFD_GETLK, &found) != 0 || found.l_type == F_UNLCK) return std::nullopt;
  // Not yet written, or half: somebody is about to start.
  return parse_owner(content_of(file.fd)).value_or(Owner{});
}

std::optional<Owner> last_owner(const DataDir& dir) {
  const File file(::open(dir.lock().c_str(), O_RDONLY | O_CLOEXEC));
  if (file.fd < 0) return std::nullopt;
  return parse_owner(content_of(file.fd));
}

Result<std::string> read_file_or_empty(const std::string& path) {
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.fd < 0 && (errno == ENOENT || errno == ENOTDIR)) return std::string();
  if (file.fd < 0) return unusable(path, std::strerror(errno));
  return content_of(file.fd);
}

Result<> write_private_file(const std::string& path, std::string_view text) {
  const std::string draft = path + ".new";
  ::unlink(draft.c_str());
  {
    const File file(::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (file.fd < 0 || !write_all(file.fd, text)) return unusable(draft, std::strerror(errno));
  }
  if (::rename(draft.c_str(), path.c_str()) != 0) return unusable(path, std::strerror(errno));
  return {};
}

Result<std::string> token_of(const DataDir& dir) {
  MR_ASSIGN(std::string token, read_file_or_empty(dir.token()));
  while (!token.empty() && token.back() == '\n') token.pop_back();
  if (token.size() >= 32) return token;
  std::array<unsigned char, 32> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return fail(Code::Unavailable, "the machine gives no random numbers for a token");
  }
  token.clear();
  for (const unsigned char byte : bytes) {
    token += "0123456789abcdef"[byte >> 4];
    token += "0123456789abcdef"[byte & 15];
  }
  MR_TRY(write_private_file(dir.token(), token + "\n"));
  return token;
}

std::string kubeconfig_text(std::string_view address, std::string_view authority,
                            std::string_view token) {
  Value cluster = Value::object({{"server", "https://" + std::string(address)},
                                 {"certificate-authority-data", client::encode_base64(authority)}});
  return codec::to_yaml(Value::object(
      {{"apiVersion", "v1"},
       {"kind", "Config"},
       {"current-context", kName},
       {"contexts",
        Value::array({Value::object(
            {{"name", kName},
             {"context",
              Value::object({{"cluster", kName}, {"user", kName}, {"namespace", "default"}})}})})},
       {"clusters",
        Value::array({Value::object({{"name", kName}, {"cluster", std::move(cluster)}})})},
       {"users", Value::array({Value::object(
                     {{"name", kName}, {"user", Value::object({{"token", token}})}})})}}));
}

}  // namespace millrace::mode
