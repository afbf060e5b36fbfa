#include "kubeclient/codec/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>
#include <sstream>

namespace millrace::codec {
namespace {

constexpr std::size_t kMaxBytes = 8 * 1024 * 1024;
constexpr std::size_t kMaxDepth = 100;
constexpr std::size_t kMaxValues = 500'000;

/// Ends the parser from inside its callbacks; caught in this file.
struct Refusal {
  YamlPosition at;
  std::string message;
};

YamlPosition position(const YAML::Mark& mark) { return {mark.line + 1, mark.column + 1}; }

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// The byte of the first sequence that is not UTF-8, or npos.
std::size_t find_bad_utf8(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = lead < 0x80   ? 1
                               : lead < 0xC2 ? 0
                               : lead < 0xE0 ? 2
                               : lead < 0xF0 ? 3
                               : lead < 0xF5 ? 4
                                             : 0;
    if (length == 0 || i + length > text.size()) return i;
    for (std::size_t k = 1; k < length; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xC0) != 0x80) return i;
    }
    const auto second = length > 1 ? static_cast<unsigned char>(text[i + 1]) : 0;
    if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) ||
        (lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F)) {
      return i;
    }
    i += length;
  }
  return std::string_view::npos;
}

std::optional<bool> boolean(std::string_view text) {
  for (const std::string_view yes :
       {"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"}) {
    if (text == yes) return true;
  }
  for (const std::string_view no :
       {"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"}) {
    if (text == no) return false;
  }
  return std::nullopt;
}

bool is_null_text(std::string_view text) {
  return text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL";
}

/// An integer in Go's notation: decimal, 0x, 0o or 0 (octal), 0b.
std::optional<Value> integer(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  int base = 10;
  if (text.size() > 1 && text[0] == '0') {
    const char mark = static_cast<char>(text[1] | 0x20);
    base = mark == 'x' ? 16 : mark == 'b' ? 2 : 8;
    text.remove_prefix(mark == 'x' || mark == 'b' || mark == 'o' ? 2 : 1);
  }
  std::uint64_t number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (text.empty() || code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  constexpr std::uint64_t kMax = std::uint64_t{1} << 63;
  if (negative ? number > kMax : number >= kMax) {
    const auto wide = static_cast<double>(number);
    return Value(negative ? -wide : wide);
  }
  return Value(static_cast<std::int64_t>(negative ? 0 - number : number));
}

/// A float: digits with at most one point and an exponent.
std::optional<Value> floating(std::string_view text) {
  std::string_view rest = text;
  if (rest.starts_with('+') || rest.starts_with('-')) rest.remove_prefix(1);
  std::size_t digits = 0;
  std::size_t points = 0;
  std::size_t i = 0;
  for (; i < rest.size() && (is_digit(rest[i]) || (rest[i] == '.' && points == 0)); ++i) {
    (rest[i] == '.' ? points : digits) += 1;
  }
  if (digits == 0) return std::nullopt;
  if (i < rest.size() && (rest[i] == 'e' || rest[i] == 'E')) {
    ++i;
    if (i < rest.size() && (rest[i] == '+' || rest[i] == '-')) ++i;
    if (i == rest.size()) return std::nullopt;
    while (i < rest.size() && is_digit(rest[i])) ++i;
  }
  if (i != rest.size()) return std::nullopt;
  if (text.starts_with('+')) text.remove_prefix(1);
  double number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return Value(number);
}

/// The value of a plain scalar.
Value resolve(const std::string& text) {
  if (is_null_text(text)) return {};
  if (const auto flag = boolean(text)) return Value(*flag);
  const char first = text[0];
  if (!is_digit(first) && first != '+' && first != '-' && first != '.') return Value(text);
  std::string plain = text;
  if (first != '.') std::erase(plain, '_');
  if (first != '.') {
    if (auto number = integer(plain)) return *std::move(number);
  }
  if (auto number = floating(plain)) return *std::move(number);
  return Value(text);
}

/// Makes documents of the parser's events.
class Builder final : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& mark) override {
    document_ = {};
    document_.start = position(mark);
    anchors_.clear();
    has_root_ = false;
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(position(mark), Value(), anchor, Style::Plain);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    const YamlPosition at = position(mark);
    if (tag == "?") {
      add(at, resolve(text), anchor, Style::Plain);
    } else if (tag == "!" || tag == "tag:yaml.org,2002:str") {
      add(at, Value(text), anchor, Style::Quoted);
    } else {
      add(at, tagged(at, tag, text), anchor, Style::Plain);
    }
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const YamlPosition at = position(mark);
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) throw Refusal{at, "an alias inside its own anchor"};
    count(at, found->second.size);
    Value copy = found->second.value;
    size_ += found->second.size;
    add(at, std::move(copy), 0, Style::Plain);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(position(mark), Value::array(), anchor);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(position(mark), Value::object(), anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override { close(); }

  bool has_root() const { return has_root_; }
  YamlDocument take() { return std::move(document_); }

 private:
  enum class Style { Plain, Quoted, Container };
  struct Frame {
    Value value;
    std::optional<std::string> key;  ///< of a map: the key whose value comes next
    bool merging = false;            ///< of a map: the next value is merged into it
    std::set<std::string> merged;    ///< of a map: members that came from other maps
    std::set<std::string> keys;      ///< of a map: those given here
    YamlPosition at;
    YAML::anchor_t anchor = 0;
    std::string path;
    std::size_t size_before = 0;
  };
  struct Anchor {
    Value value;
    std::size_t size = 0;
  };

  void count(YamlPosition at, std::size_t more) {
    total_ += more;
    if (total_ > kMaxValues) {
      throw Refusal{at, "more than " + std::to_string(kMaxValues) +
                            " values; split the file, or use fewer aliases"};
    }
  }

  static Value tagged(YamlPosition at, const std::string& tag, const std::string& text) {
    const std::string_view prefix = "tag:yaml.org,2002:";
    if (tag.starts_with(prefix)) {
      const std::string_view kind = std::string_view(tag).substr(prefix.size());
      Value value = resolve(text);
      if ((kind == "int" && value.is_int()) || (kind == "bool" && value.is_bool()) ||
          (kind == "null" && value.is_null())) {
        return value;
      }
      if (kind == "float" && value.is_number()) return Value(value.as_double());
      if (kind == "timestamp") return Value(text);
    }
    throw Refusal{at, "\"" + text.substr(0, 64) + "\" cannot be read as " + tag};
  }

  static std::string key_text(YamlPosition at, const Value& key) {
    if (key.is_string()) return key.as_string();
    if (key.is_bool() || key.is_number()) return key.dump();
    throw Refusal{at, key.is_null() ? "a key is empty" : "a key must be a single word or text"};
  }

  void open(YamlPosition at, Value container, YAML::anchor_t anchor) {
    if (frames_.size() >= kMaxDepth) {
      throw Refusal{at, "nested more than " + std::to_string(kMaxDepth) + " deep"};
    }
    if (!frames_.empty() && frames_.back().value.is_object() && !frames_.back().key &&
        !frames_.back().merging) {
      throw Refusal{at, "a key must be a single word or text"};
    }
    count(at, 1);
    ++size_;
    Frame frame;
    frame.value = std::move(container);
    frame.at = at;
    frame.anchor = anchor;
    frame.path = next_path();
    frame.size_before = size_;
    frames_.push_back(std::move(frame));
  }

  void close() {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    if (frame.anchor != 0) anchors_[frame.anchor] = {frame.value, size_ - frame.size_before + 1};
    place(frame.at, std::move(frame.value), Style::Container);
  }

  void add(YamlPosition at, Value value, YAML::anchor_t anchor, Style style) {
    count(at, 1);
    ++size_;
    if (anchor != 0) anchors_[anchor] = {value, 1};
    place(at, std::move(value), style);
  }

  /// The path of the value that comes next.
  std::string next_path() const {
    if (frames_.empty()) return "";
    const Frame& top = frames_.back();
    if (top.value.is_array())
      return top.path + '[' + std::to_string(top.value.items().size()) + ']';
    if (!top.key) return top.path;
    return top.path.empty() ? *top.key : top.path + '.' + *top.key;
  }

  void place(YamlPosition at, Value value, Style style) {
    if (frames_.empty()) {
      document_.value = std::move(value);
      has_root_ = true;
      return;
    }
    Frame& top = frames_.back();
    if (top.value.is_array()) {
      document_.positions.emplace(next_path(), at);
      top.value.push_back(std::move(value));
    } else if (top.merging) {
      top.merging = false;
      merge(at, top, value);
    } else if (!top.key) {
      if (style == Style::Plain && value.is_string() && value.as_string() == "<<") {
        top.merging = true;
        return;
      }
      top.key = key_text(at, value);
      if (!top.keys.insert(*top.key).second) {
        throw Refusal{at, "\"" + *top.key + "\" is given twice"};
      }
      document_.positions.insert_or_assign(next_path(), at);
    } else {
      if (top.merged.erase(*top.key) > 0) {
        top.value[*top.key] = std::move(value);
      } else {
        top.value.members().emplace_back(*std::move(top.key), std::move(value));
      }
      top.key.reset();
    }
  }

  /// `<<: *other`: members that are not given here come from there.
  void merge(YamlPosition at, Frame& into, const Value& from) {
    if (from.is_array()) {
      for (const Value& item : from.items()) merge(at, into, item);
      return;
    }
    if (!from.is_object()) throw Refusal{at, "only maps can be merged with <<"};
    for (const auto& [key, value] : from.members()) {
      if (into.keys.contains(key) || !into.merged.insert(key).second) continue;
      into.value.members().emplace_back(key, value);
      document_.positions.emplace(into.path.empty() ? key : into.path + '.' + key, at);
    }
  }

  YamlDocument document_;
  bool has_root_ = false;
  std::vector<Frame> frames_;
  std::map<YAML::anchor_t, Anchor> anchors_;
  std::size_t size_ = 0;   ///< values placed so far, for the sizes of anchors
  std::size_t total_ = 0;  ///< values of the file
};

std::string located(std::string_view file, YamlPosition at, std::string_view message) {
  std::string text(file);
  if (at.line > 0) {
    text += text.empty() ? "line " : ":";
    text += std::to_string(at.line) + ':' + std::to_string(at.column);
  }
  if (!text.empty()) text += ": ";
  return text + std::string(message);
}

YamlPosition position_of_byte(std::string_view text, std::size_t byte) {
  const std::string_view before = text.substr(0, byte);
  const auto lines = std::count(before.begin(), before.end(), '\n');
  const std::size_t start = before.rfind('\n') + 1;  // npos + 1 is the beginning
  return {static_cast<int>(lines) + 1, static_cast<int>(byte - start) + 1};
}

bool is_tab_indented(std::string_view text, int line) {
  for (int i = 1; i < line; ++i) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return false;
    text.remove_prefix(end + 1);
  }
  text = text.substr(0, text.find_first_not_of(" \t"));
  return text.find('\t') != std::string_view::npos;
}

/// Whether `text` reads back as the same string without quotes. Careful rather than complete.
bool is_plain(const std::string& text) {
  if (text.empty() || text.size() > 200 || !resolve(text).is_string()) return false;
  const auto word = [](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  if (!word(text.front()) && text.front() != '.' && text.front() != '/') return false;
  if (text.back() == ' ') return false;
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return word(c) || std::string_view(" ./-()").find(c) != std::string_view::npos;
  });
}

void write_scalar(const Value& value, std::string& out) {
  if (value.is_string() && is_plain(value.as_string())) {
    out += value.as_string();
  } else {
    out += value.dump();  // JSON is YAML
  }
}

bool is_leaf(const Value& value) {
  if (!value.is_array() && !value.is_object()) return true;
  return value.empty();
}

/// Short lists of scalars stay on one line.
bool is_short_list(const Value& value) {
  if (!value.is_array()) return false;
  std::size_t length = 0;
  for (const Value& item : value.items()) {
    if (!is_leaf(item)) return false;
    length += item.dump().size() + 2;
  }
  return length <= 80;
}

void write_short_list(const Value& value, std::string& out) {
  out += '[';
  bool first = true;
  for (const Value& item : value.items()) {
    if (!first) out += ", ";
    first = false;
    write_scalar(item, out);
  }
  out += ']';
}

/// Write `value` as a block whose first line continues the current one.
void write_block(const Value& value, std::size_t indent, std::string& out) {
  bool first = true;
  const auto next_line = [&] {
    if (!first) out.append(indent, ' ');
    first = false;
  };
  const auto content = [&](const Value& item, bool in_list) {
    if (is_leaf(item) || is_short_list(item)) {
      if (!in_list) out += ' ';
      is_leaf(item) ? write_scalar(item, out) : write_short_list(item, out);
      out += '\n';
    } else if (in_list) {
      write_block(item, indent + 2, out);
    } else {
      out += '\n';
      const std::size_t deeper = item.is_array() ? indent : indent + 2;
      out.append(deeper, ' ');
      write_block(item, deeper, out);
    }
  };
  if (value.is_array()) {
    for (const Value& item : value.items()) {
      next_line();
      out += "- ";
      content(item, true);
    }
    return;
  }
  for (const auto& [key, member] : value.members()) {
    next_line();
    write_scalar(Value(key), out);
    out += ':';
    content(member, false);
  }
}

}  // namespace

YamlPosition YamlDocument::position_of(std::string_view path) const {
  while (!path.empty()) {
    const auto found = positions.find(path);
    if (found != positions.end()) return found->second;
    const std::size_t cut = path.find_last_of(".[");
    path = cut == std::string_view::npos ? std::string_view() : path.substr(0, cut);
  }
  return start;
}

Result<std::vector<YamlDocument>> parse_yaml_documents(std::string_view text, std::string_view file,
                                                       YamlPosition* failed_at) {
  const auto refuse = [&](YamlPosition at, const std::string& message) {
    if (failed_at == nullptr) return fail(Code::Invalid, located(file, at, message));
    *failed_at = at;
    return fail(Code::Invalid, message);
  };
  if (text.size() > kMaxBytes) {
    return refuse({}, "larger than 8 MiB; split it into several files");
  }
  const std::size_t bad = find_bad_utf8(text);
  if (bad != std::string_view::npos) {
    return refuse(position_of_byte(text, bad), "not UTF-8 text; save the file as UTF-8");
  }
  std::vector<YamlDocument> documents;
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    Builder builder;
    while (parser.HandleNextDocument(builder)) {
      if (!builder.has_root()) continue;
      YamlDocument document = builder.take();
      if (!document.value.is_null()) documents.push_back(std::move(document));
    }
  } catch (const Refusal& refusal) {
    return refuse(refusal.at, refusal.message);
  } catch (const YAML::Exception& e) {
    const YamlPosition at = position(e.mark);
    if (is_tab_indented(text, at.line)) {
      return refuse({at.line, 1}, "not valid YAML: a tab cannot indent; use spaces");
    }
    return refuse(at, "not valid YAML: " + e.msg);
  }
  return documents;
}

std::string to_yaml(const Value& value) {
  std::string out;
  if (is_leaf(value)) {
    write_scalar(value, out);
    out += '\n';
  } else {
    write_block(value, 0, out);
  }
  return out;
}

}  // namespace millrace::codec
