#include "kubeclient/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "kubeclient/base/time_format.h"

namespace millrace {
namespace {

std::string_view level_name(LogLevel level) {
  constexpr std::array<std::string_view, 5> names = {"debug", "info", "warn", "error", "off"};
  return names[static_cast<std::size_t>(level)];
}

class StderrSink final : public LogSink {
 public:
  StderrSink() : logger_("millrace", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    logger_.set_pattern("%v");
    logger_.set_level(spdlog::level::trace);
  }
  void write(const std::string& line) override {
    logger_.log(spdlog::level::info, spdlog::string_view_t(line));
  }

 private:
  spdlog::logger logger_;
};

}  // namespace

LogPair kv(std::string_view key, std::string_view value) { return {key, json_quote(value)}; }
LogPair kv(std::string_view key, const char* value) { return {key, json_quote(value)}; }
LogPair kv(std::string_view key, const std::string& value) { return {key, json_quote(value)}; }
LogPair kv(std::string_view key, bool value) { return {key, value ? "true" : "false"}; }
LogPair kv(std::string_view key, std::int64_t value) { return {key, std::to_string(value)}; }
LogPair kv(std::string_view key, std::uint64_t value) { return {key, std::to_string(value)}; }
LogPair kv(std::string_view key, int value) { return {key, std::to_string(value)}; }
LogPair kv(std::string_view key, double value) {
  if (!std::isfinite(value)) return {key, "null"};
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.6g", value);
  return {key, text.data()};
}
LogPair kv(std::string_view key, const ObjectKey& value) { return {key, json_quote(value.str())}; }
LogPair kv(std::string_view key, const Error& value) { return {key, json_quote(value.message)}; }

Result<LogLevel> parse_log_level(std::string_view text) {
  for (const LogLevel level :
       {LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error, LogLevel::Off}) {
    if (text == level_name(level)) return level;
  }
  return fail(Code::Invalid, "unknown log level \"" + std::string(text) +
                                 "\"; use debug, info, warn, error or off");
}

LogSink& stderr_sink() {
  static StderrSink sink;
  return sink;
}

Logger Logger::with(const LogPair& pair) const {
  Logger copy = *this;
  copy.context_ += ',' + json_quote(pair.key) + ':' + pair.json;
  return copy;
}

void Logger::write(LogLevel level, std::string_view message,
                   std::initializer_list<LogPair> pairs) const {
  if (!enabled(level)) return;
  std::string line = "{\"time\":\"";
  line += format_micro_time(SystemClock().now());
  line += "\",\"level\":\"";
  line += level_name(level);
  line += "\",\"message\":";
  line += json_quote(message);
  line += context_;
  for (const LogPair& pair : pairs) {
    line += ',';
    line += json_quote(pair.key);
    line += ':';
    line += pair.json;
  }
  line += '}';
  sink_->write(line);
}

}  // namespace millrace
