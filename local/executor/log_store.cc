#include "local/executor/log_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <vector>

#include "kubeclient/base/time_format.h"
#include "local/executor/pod_spec.h"

namespace millrace::executor {

/// What writer and readers of one log share: how far it got, and whom to wake. Shared, as either
/// may be the last to go.
struct LogFeed {
  struct State {
    int generation = 0;  ///< files begun
    bool ended = false;
    std::map<const void*, std::function<void()>> readers;
  };
  std::string path;
  Guarded<State> state;

  /// Under the lock, so that no reader is called once it has left; they only wake somebody.
  void notify() {
    auto locked = state.lock();
    for (const auto& [reader, ready] : locked->readers) {
      if (ready) ready();
    }
  }
};

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kReadSize = std::size_t{64} << 10;

class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

Fd open_file(const std::string& path) { return Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)); }

/// Call `line` with each complete line of the file.
template <class F>
void each_line(int fd, const F& line) {
  std::string buffer;
  std::vector<char> chunk(kReadSize);
  for (off_t at = 0;;) {
    const ssize_t n = ::pread(fd, chunk.data(), chunk.size(), at);
    if (n <= 0) return;
    at += n;
    buffer.append(chunk.data(), static_cast<std::size_t>(n));
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = buffer.find('\n', begin)) != std::string::npos;) {
      line(std::string_view(buffer).substr(begin, end - begin));
      begin = end + 1;
    }
    buffer.erase(0, begin);
  }
}

/// A log as a client gets it.
class LogStream final : public apiserver::Stream {
 public:
  LogStream(std::string path, std::shared_ptr<LogFeed> feed, const apiserver::LogRequest& request)
      : path_(std::move(path)), feed_(std::move(feed)), request_(request) {
    if (request_.limit_bytes)
      left_ = static_cast<std::size_t>(std::max<std::int64_t>(0, *request_.limit_bytes));
    if (request_.since) since_ = format_log_time(*request_.since);
    if (feed_) generation_ = feed_->state.lock()->generation;
    older_ = open_file(path_ + ".1");
    current_ = open_file(path_);
    if (request_.tail_lines) skip_ = lines_before_tail(*request_.tail_lines);
  }
  ~LogStream() override {
    if (feed_) feed_->state.lock()->readers.erase(this);
  }

  std::string take(std::size_t limit) override {
    std::string out;
    while (out.size() < limit && left_ > 0) {
      if (!next_line(out)) break;
    }
    return out;
  }
  bool ended() const override { return left_ == 0 || ended_; }
  void on_ready(std::function<void()> ready) override {
    if (feed_) feed_->state.lock()->readers[this] = std::move(ready);
  }

 private:
  std::int64_t lines_before_tail(std::int64_t wanted) const {
    std::int64_t all = 0;
    const auto count = [&](std::string_view) { ++all; };
    each_line(older_.get(), count);
    each_line(current_.get(), count);
    return std::max<std::int64_t>(0, all - wanted);
  }

  /// Put one more line into `out`; false when there is none now, or never.
  bool next_line(std::string& out) {
    std::size_t end = 0;
    while ((end = buffer_.find('\n', begin_)) == std::string::npos) {
      if (!fill()) return false;
    }
    const std::string_view line = std::string_view(buffer_).substr(begin_, end - begin_);
    begin_ = end + 1;
    emit(line, out);
    return true;
  }

  void emit(std::string_view line, std::string& out) {
    if (skip_ > 0) {
      --skip_;
      return;
    }
    const auto parsed = parse_log_line(line);
    if (!parsed || (!since_.empty() && parsed->time < since_)) return;
    std::string text;
    if (request_.timestamps) text.append(parsed->time) += ' ';
    text.append(parsed->text);
    if (parsed->full) text += '\n';
    if (text.size() > left_) text.resize(left_);
    left_ -= text.size();
    out += text;
  }

  /// Read on; false when nothing is there now.
  bool fill() {
    buffer_.erase(0, begin_);
    begin_ = 0;
    // Asked before reading: what is written in between is read, and the end comes after it.
    const bool live = feed_ && request_.follow;
    int generation = generation_;
    bool over = true;
    if (live) {
      auto state = feed_->state.lock();
      generation = state->generation;
      over = state->ended;
    }
    if (older_.get() >= 0) {
      if (read_from(older_.get())) return true;
      older_ = Fd();
      offset_ = 0;
      buffer_.clear();
    }
    if (current_.get() >= 0 && read_from(current_.get())) return true;
    if (live && generation != generation_) {  // the file was put aside and a new one begun
      generation_ = generation;
      current_ = open_file(path_);
      offset_ = 0;
      return fill();
    }
    if (over) ended_ = true;
    return false;
  }

  bool read_from(int fd) {
    const std::size_t had = buffer_.size();
    buffer_.resize(had + kReadSize);
    const ssize_t n = ::pread(fd, buffer_.data() + had, kReadSize, offset_);
    buffer_.resize(had + static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    offset_ += std::max<ssize_t>(n, 0);
    return n > 0;
  }

  std::string path_;
  std::shared_ptr<LogFeed> feed_;
  apiserver::LogRequest request_;
  std::string since_;
  Fd older_;
  Fd current_;
  int generation_ = 0;
  off_t offset_ = 0;
  std::int64_t skip_ = 0;
  std::size_t left_ = std::string::npos;
  std::string buffer_;
  std::size_t begin_ = 0;
  bool ended_ = false;
};

/// The numbers of the logs in a container's folder, ascending.
std::vector<int> numbers_in(const std::string& folder) {
  std::vector<int> out;
  DIR* dir = ::opendir(folder.c_str());
  if (dir == nullptr) return out;
  while (const dirent* entry = ::readdir(dir)) {
    const std::string_view name = entry->d_name;
    if (!name.ends_with(".log")) continue;
    int n = 0;
    const char* end = name.data() + name.size() - 4;
    if (std::from_chars(name.data(), end, n).ptr == end) out.push_back(n);
  }
  ::closedir(dir);
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

LogWriter::LogWriter(std::shared_ptr<LogFeed> feed, LogOptions options)
    : feed_(std::move(feed)), options_(options) {
  fd_ = ::open(feed_->path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  struct stat info {};
  if (fd_ >= 0 && ::fstat(fd_, &info) == 0) size_ = static_cast<std::size_t>(info.st_size);
}

LogWriter::~LogWriter() {
  if (fd_ >= 0) ::close(fd_);
  feed_->state.lock()->ended = true;
  feed_->notify();
}

void LogWriter::append(std::string_view lines) {
  if (lines.empty()) return;
  if (size_ > 0 && size_ + lines.size() > options_.file_bytes) rotate();
  size_ += lines.size();
  while (fd_ >= 0 && !lines.empty()) {
    const ssize_t n = ::write(fd_, lines.data(), lines.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    lines.remove_prefix(static_cast<std::size_t>(n));
  }
  feed_->notify();
}

void LogWriter::rotate() {
  ::rename(feed_->path.c_str(), (feed_->path + ".1").c_str());
  if (fd_ >= 0) ::close(fd_);
  fd_ = ::open(feed_->path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  size_ = 0;
  ++feed_->state.lock()->generation;
}

std::string LogStore::folder_name(const ObjectKey& pod, const std::string& uid) {
  return pod.ns + "_" + pod.name + "_" + uid;
}

std::unique_ptr<LogWriter> LogStore::write(const ObjectKey& pod, const std::string& uid,
                                           const std::string& container, int n) {
  const std::string folder = folder_ + "/" + folder_name(pod, uid) + "/" + container;
  std::error_code ignored;
  fs::create_directories(folder, ignored);
  auto feed = std::make_shared<LogFeed>();
  feed->path = folder + "/" + std::to_string(n) + ".log";
  // Only the log before this one is ever asked for.
  for (const int old : numbers_in(folder)) {
    if (old >= n - 1) continue;
    for (const char* end : {".log", ".log.1"}) {
      ::unlink((folder + "/" + std::to_string(old) + end).c_str());
    }
  }
  auto writer = std::make_unique<LogWriter>(feed, options_);
  (*feeds_.lock())[feed->path] = feed;
  return writer;
}

void LogStore::forget(const ObjectKey& pod, const std::string& uid) {
  const std::string prefix = folder_ + "/" + folder_name(pod, uid) + "/";
  auto feeds = feeds_.lock();
  for (auto it = feeds->lower_bound(prefix); it != feeds->end() && it->first.starts_with(prefix);) {
    it = feeds->erase(it);
  }
}

void LogStore::discard(const ObjectKey& pod, const std::string& uid, const std::string& container,
                       int n) {
  const std::string path =
      folder_ + "/" + folder_name(pod, uid) + "/" + container + "/" + std::to_string(n) + ".log";
  ::unlink(path.c_str());
  ::unlink((path + ".1").c_str());
  feeds_.lock()->erase(path);
}

std::string LogStore::tail(const ObjectKey& pod, const std::string& uid,
                           const std::string& container, int n, std::size_t lines,
                           std::size_t bytes) const {
  const std::string path =
      folder_ + "/" + folder_name(pod, uid) + "/" + container + "/" + std::to_string(n) + ".log";
  std::vector<std::string> kept;
  const Fd file = open_file(path);
  each_line(file.get(), [&](std::string_view line) {
    const auto parsed = parse_log_line(line);
    if (!parsed) return;
    kept.push_back(std::string(parsed->text) + (parsed->full ? "\n" : ""));
    if (kept.size() > lines) kept.erase(kept.begin());
  });
  std::string out;
  for (const std::string& line : kept) out += line;
  return out.size() > bytes ? out.substr(out.size() - bytes) : out;
}

Result<std::unique_ptr<apiserver::Stream>> LogStore::open(const apiserver::LogRequest& request) {
  for (const std::string& name :
       {request.pod.ns, request.pod.name, request.pod_uid, request.container}) {
    if (!is_safe_name(name)) return fail(Code::NotFound, "no log of that name");
  }
  const std::string folder =
      folder_ + "/" + folder_name(request.pod, request.pod_uid) + "/" + request.container;
  const std::vector<int> numbers = numbers_in(folder);
  const std::size_t wanted = request.previous ? 2 : 1;
  if (numbers.size() < wanted) {
    return fail(Code::NotFound, request.previous
                                    ? "previous terminated container \"" + request.container +
                                          "\" in pod \"" + request.pod.name + "\" not found"
                                    : "container \"" + request.container + "\" in pod \"" +
                                          request.pod.name + "\" has not started yet");
  }
  const std::string path = folder + "/" + std::to_string(numbers[numbers.size() - wanted]) + ".log";
  std::shared_ptr<LogFeed> feed;
  {
    auto feeds = feeds_.lock();
    const auto it = feeds->find(path);
    if (it != feeds->end()) feed = it->second.lock();
    if (it != feeds->end() && !feed) feeds->erase(it);
  }
  return std::make_unique<LogStream>(path, std::move(feed), request);
}

}  // namespace millrace::executor
