/// Log files of containers: one writer each, many readers, bounded size.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "kubeclient/base/guarded.h"
#include "local/apiserver/log_source.h"
#include "local/executor/log_lines.h"

namespace millrace::executor {

/// Two files of each log are kept: <n>.log, and <n>.log.1 with what was written before.
struct LogOptions {
  std::size_t file_bytes = std::size_t{10} << 20;
};

struct LogFeed;

/// Writes one log. One thread; made by LogStore.
class LogWriter {
 public:
  LogWriter(std::shared_ptr<LogFeed> feed, LogOptions options);
  /// Tells followers that this was all.
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;
  /// Append lines in the CRI format. A disk that refuses loses lines, and holds up nobody.
  void append(std::string_view lines);

 private:
  void rotate();
  std::shared_ptr<LogFeed> feed_;
  LogOptions options_;
  int fd_ = -1;
  std::size_t size_ = 0;
};

/// All logs below one folder: <folder>/<ns>_<pod>_<uid>/<container>/<n>.log, with n the container's
/// restarts. Safe from any thread.
class LogStore final : public apiserver::LogSource {
 public:
  LogStore(std::string folder, LogOptions options)
      : folder_(std::move(folder)), options_(options) {}

  /// The name of a pod's folder.
  static std::string folder_name(const ObjectKey& pod, const std::string& uid);
  /// Begin log `n` of a container, or go on with it.
  std::unique_ptr<LogWriter> write(const ObjectKey& pod, const std::string& uid,
                                   const std::string& container, int n);
  /// Forget the pod's logs; the files are removed by whoever removes its folder.
  void forget(const ObjectKey& pod, const std::string& uid);
  /// Log `n` never was.
  void discard(const ObjectKey& pod, const std::string& uid, const std::string& container, int n);
  /// The last lines of log `n`, without times, at most `lines` and `bytes`.
  std::string tail(const ObjectKey& pod, const std::string& uid, const std::string& container,
                   int n, std::size_t lines, std::size_t bytes) const;

  Result<std::unique_ptr<apiserver::Stream>> open(const apiserver::LogRequest& request) override;

 private:
  std::string folder_;
  LogOptions options_;
  /// By the path of the file; only of logs that are being written.
  mutable Guarded<std::map<std::string, std::weak_ptr<LogFeed>>> feeds_;
};

}  // namespace millrace::executor
