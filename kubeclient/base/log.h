/// Structured logs: one JSON object a line, constant message, values as pairs.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "kubeclient/base/json_quote.h"
#include "kubeclient/base/object_key.h"
#include "kubeclient/base/result.h"

namespace millrace {

/// error = a human must act; warn = degraded; info = life cycle and run transitions; debug = each
/// reconcile.
enum class LogLevel { Debug, Info, Warn, Error, Off };

/// "debug", "info", "warn", "error" or "off". Errors: Invalid, naming the choices.
Result<LogLevel> parse_log_level(std::string_view text);

/// One key and its value, already written as JSON.
struct LogPair {
  std::string_view key;
  std::string json;
};
LogPair kv(std::string_view key, std::string_view value);
LogPair kv(std::string_view key, const char* value);
LogPair kv(std::string_view key, const std::string& value);
LogPair kv(std::string_view key, bool value);
LogPair kv(std::string_view key, std::int64_t value);
LogPair kv(std::string_view key, std::uint64_t value);
LogPair kv(std::string_view key, int value);
LogPair kv(std::string_view key, double value);
LogPair kv(std::string_view key, const ObjectKey& value);
/// `error` as its message; also writes nothing of bodies or tokens, as errors never hold them.
LogPair kv(std::string_view key, const Error& value);

/// Where log lines go. Safe from any thread; a line is written whole.
class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual void write(const std::string& line) = 0;
};

/// A sink that writes to standard error.
LogSink& stderr_sink();

/// Write log lines at or above a level. Copies share the sink; cheap to pass by reference.
class Logger {
 public:
  explicit Logger(LogSink& sink, LogLevel level = LogLevel::Info) : sink_(&sink), level_(level) {}

  void debug(std::string_view message, std::initializer_list<LogPair> pairs = {}) const {
    write(LogLevel::Debug, message, pairs);
  }
  void info(std::string_view message, std::initializer_list<LogPair> pairs = {}) const {
    write(LogLevel::Info, message, pairs);
  }
  void warn(std::string_view message, std::initializer_list<LogPair> pairs = {}) const {
    write(LogLevel::Warn, message, pairs);
  }
  void error(std::string_view message, std::initializer_list<LogPair> pairs = {}) const {
    write(LogLevel::Error, message, pairs);
  }
  /// Guard for values that cost something to make.
  bool enabled(LogLevel level) const { return level >= level_; }

  /// A logger that adds `pair` to every line.
  Logger with(const LogPair& pair) const;

 private:
  void write(LogLevel level, std::string_view message, std::initializer_list<LogPair> pairs) const;

  LogSink* sink_;
  LogLevel level_;
  std::string context_;  ///< ,"key":value pairs of with()
};

}  // namespace millrace
