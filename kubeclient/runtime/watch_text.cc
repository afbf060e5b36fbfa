#include "kubeclient/runtime/watch_text.h"

#include "kubeclient/client/status_error.h"
#include "kubeclient/codec/json_reader.h"

namespace millrace::runtime {
namespace {

struct Envelope {
  std::string type;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("type", self.type);
  }
};

struct TypeName {
  std::string_view name;
  WatchEventType type;
};
constexpr TypeName kTypes[] = {
    {"MODIFIED", WatchEventType::Modified}, {"ADDED", WatchEventType::Added},
    {"DELETED", WatchEventType::Deleted},   {"BOOKMARK", WatchEventType::Bookmark},
    {"ERROR", WatchEventType::Error},
};

/// Errors by HTTP code; the reason counts where the code is missing.
Code code_of(const api::Status& status) {
  if (status.reason == "Expired" || status.reason == "Gone") return Code::Expired;
  if (status.code < 300) return Code::Unavailable;  // no code: whatever it was, try again
  return client::code_of_status(status.code, status, false);
}

/// Walks over JSON text, trusting only brackets, quotes and backslashes.
class Walker {
 public:
  explicit Walker(std::string_view text) : text_(text) {}

  void skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != text_.npos) ++at_;
  }
  bool take(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  /// The text between the quotes, escapes as they stand; nothing at the end of the text.
  std::optional<std::string_view> string() {
    if (!take('"')) return std::nullopt;
    const std::size_t start = at_;
    while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    if (at_ >= text_.size()) return std::nullopt;
    return text_.substr(start, at_++ - start);
  }
  /// Everything up to the comma or bracket that ends the value here; nothing at the end of the
  /// text.
  std::optional<std::string_view> value() {
    skip_space();
    const std::size_t start = at_;
    std::size_t depth = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"') {
        if (!string()) return std::nullopt;
        continue;
      }
      if (depth == 0 && (c == ',' || c == ']' || c == '}')) return text_.substr(start, at_ - start);
      if (c == '{' || c == '[') ++depth;
      if (c == '}' || c == ']') --depth;
      ++at_;
    }
    return std::nullopt;
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

Result<WatchEventType> event_type(std::string_view line) {
  // The API server writes the type first: no parser is needed to see it.
  constexpr std::string_view kStart = "{\"type\":\"";
  if (line.starts_with(kStart)) {
    const std::string_view rest = line.substr(kStart.size());
    for (const TypeName& t : kTypes) {
      if (rest.starts_with(t.name) && rest.substr(t.name.size()).starts_with('"')) return t.type;
    }
  }
  MR_ASSIGN(const Envelope envelope, codec::decode<Envelope>(line));
  if (envelope.type.empty()) return fail(Code::Malformed, "watch event without a type");
  for (const TypeName& t : kTypes) {
    if (envelope.type == t.name) return t.type;
  }
  return WatchEventType::Unknown;
}

Result<ObjectHead> read_head(std::string_view line) {
  auto head = codec::decode<WatchObject<ObjectHead>>(line);
  if (head.ok()) return std::move(head->object);
  MR_TRY(codec::Value::parse(line));
  return ObjectHead{};
}

Result<BookmarkHead> read_bookmark(std::string_view line) {
  MR_ASSIGN(WatchObject<ObjectHead> head, codec::decode<WatchObject<ObjectHead>>(line));
  auto& meta = head.object.metadata;
  const auto end = meta.annotations.find("k8s.io/initial-events-end");
  return BookmarkHead{std::move(meta.resource_version),
                      end != meta.annotations.end() && end->second == "true"};
}

Error read_error_event(std::string_view line) {
  auto status = codec::decode<WatchObject<api::Status>>(line);
  Error error;
  if (!status.ok()) {
    error.code = Code::Malformed;
    error.message = "watch error event: " + status.error().message;
    return error;
  }
  const api::Status& s = status->object;
  error.code = code_of(s);
  error.message = s.message.empty() ? "the server ended the watch" : s.message;
  error.http_status = s.code;
  error.reason = s.reason;
  if (s.details.retry_after_seconds > 0) {
    error.delay = std::chrono::seconds(s.details.retry_after_seconds);
  }
  return error;
}

Result<std::vector<std::string_view>> split_items(std::string_view page) {
  const auto broken = [] {
    return fail(Code::Malformed, "list: no complete array \"items\" in the answer");
  };
  Walker walker(page);
  if (!walker.take('{')) return broken();
  for (;;) {
    const auto key = walker.string();
    if (!key || !walker.take(':')) return broken();
    if (*key == "items" && walker.take('[')) break;
    if (!walker.value() || !walker.take(',')) return broken();
  }
  std::vector<std::string_view> items;
  if (walker.take(']')) return items;
  for (;;) {
    const auto item = walker.value();
    if (!item) return broken();
    items.push_back(*item);
    if (walker.take(']')) return items;
    if (!walker.take(',')) return broken();
  }
}

}  // namespace millrace::runtime
