#include "local/apiserver/selectors.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <optional>
#include <utility>

#include "kubeclient/base/json_quote.h"
#include "local/apiserver/attributes.h"

namespace millrace::apiserver {
namespace {

constexpr std::size_t kMostText = 64 * 1024;  ///< [bytes]

constexpr const char* kSubdomain =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
constexpr const char* kNamePart =
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
constexpr const char* kLabelValue =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  "
    "or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

bool is_lower_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_alnum(char c) { return is_lower_alnum(c) || (c >= 'A' && c <= 'Z'); }

bool is_subdomain(std::string_view text) {
  char before = '.';
  for (const char c : text) {
    if (c == '.' ? !is_lower_alnum(before) : !is_lower_alnum(c) && (c != '-' || before == '.')) {
      return false;
    }
    before = c;
  }
  return is_lower_alnum(before);
}

bool is_word(std::string_view text) {
  return !text.empty() && is_alnum(text.front()) && is_alnum(text.back()) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; });
}

/// What is wrong with a label's key; empty: nothing.
std::string key_problem(std::string_view key) {
  std::string_view name = key;
  const std::size_t slash = key.find('/');
  if (slash != std::string_view::npos) {
    const std::string_view prefix = key.substr(0, slash);
    name = key.substr(slash + 1);
    if (prefix.empty()) return "prefix part must be non-empty";
    if (prefix.size() > 253) return "prefix part must be no more than 253 bytes";
    if (!is_subdomain(prefix)) return std::string("prefix part ") + kSubdomain;
    if (name.find('/') != std::string_view::npos) {
      return std::string("a qualified name ") + kNamePart +
             " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
    }
  }
  if (name.empty()) return "name part must be non-empty";
  if (name.size() > 63) return "name part must be no more than 63 bytes";
  return is_word(name) ? "" : std::string("name part ") + kNamePart;
}

enum class Token {
  End,
  Word,
  In,
  NotIn,
  Equals,
  DoubleEquals,
  NotEquals,
  Not,
  Open,
  Close,
  Comma,
  Greater,
  Less,
  Error
};

struct Lexeme {
  Token token = Token::End;
  std::string text;
};

bool is_special(char c) { return std::string_view("=!(),><").find(c) != std::string_view::npos; }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

std::vector<Lexeme> lex(std::string_view text) {
  std::vector<Lexeme> out;
  std::size_t i = 0;
  while (i < text.size()) {
    if (is_blank(text[i])) {
      ++i;
    } else if (is_special(text[i])) {
      static constexpr std::pair<std::string_view, Token> kSymbols[] = {
          {"==", Token::DoubleEquals}, {"!=", Token::NotEquals}, {"=", Token::Equals},
          {"!", Token::Not},           {"(", Token::Open},       {")", Token::Close},
          {",", Token::Comma},         {">", Token::Greater},    {"<", Token::Less}};
      for (const auto& [symbol, token] : kSymbols) {
        if (text.substr(i, symbol.size()) != symbol) continue;
        out.push_back({token, std::string(symbol)});
        i += symbol.size();
        break;
      }
    } else {
      const std::size_t start = i;
      while (i < text.size() && !is_special(text[i]) && !is_blank(text[i])) ++i;
      const std::string_view word = text.substr(start, i - start);
      const Token token = word == "in" ? Token::In : word == "notin" ? Token::NotIn : Token::Word;
      out.push_back({token, std::string(word)});
    }
  }
  out.push_back({Token::End, ""});
  return out;
}

class LabelParser {
 public:
  explicit LabelParser(std::string_view text) : lexemes_(lex(text)) {}

  std::vector<Requirement> parse() {
    std::vector<Requirement> out;
    for (;;) {
      const Token next = peek();
      if (next == Token::End) break;
      if (next != Token::Word && next != Token::Not) {
        fail("found '" + text() + "', expected: !, identifier, or 'end of string'");
        break;
      }
      Requirement requirement;
      if (!one(requirement)) {
        error_ = "unable to parse requirement: " + error_;
        break;
      }
      out.push_back(std::move(requirement));
      if (peek() == Token::End) break;
      if (peek() != Token::Comma) {
        fail("found '" + text() + "', expected: ',' or 'end of string'");
        break;
      }
      ++at_;
      if (peek() != Token::Word && peek() != Token::Not) {
        fail("found '" + text() + "', expected: identifier after ','");
        break;
      }
    }
    return out;
  }
  const std::string& error() const { return error_; }

 private:
  bool fail(std::string message) {
    if (error_.empty()) error_ = std::move(message);
    return false;
  }
  /// The next token where a word may stand: in and notin are words there.
  Token peek() const {
    const Token token = lexemes_[at_].token;
    return token == Token::In || token == Token::NotIn ? Token::Word : token;
  }
  const std::string& text() const { return lexemes_[at_].text; }
  void next() {
    if (lexemes_[at_].token != Token::End) ++at_;
  }

  bool one(Requirement& out) {
    bool negated = false;
    if (peek() == Token::Not) {
      negated = true;
      next();
    }
    if (peek() != Token::Word) return fail("found '" + text() + "', expected: identifier");
    out.key = text();
    next();
    if (std::string problem = key_problem(out.key); !problem.empty()) {
      return fail("<nil>: Invalid value: " + json_quote(out.key) + ": " + problem);
    }
    if (negated || peek() == Token::End || peek() == Token::Comma) {
      out.op = negated ? SelectorOp::Absent : SelectorOp::Exists;
      return true;
    }
    return operation(out);
  }

  bool operation(Requirement& out) {
    const Token token = lexemes_[at_].token;
    const std::string shown = text();
    next();
    switch (token) {
      case Token::In:
      case Token::NotIn:
        out.op = token == Token::In ? SelectorOp::In : SelectorOp::NotIn;
        if (!list(out.values)) return false;
        break;
      case Token::Equals:
      case Token::DoubleEquals:
      case Token::NotEquals:
        out.op = token == Token::NotEquals ? SelectorOp::NotIn : SelectorOp::In;
        if (!exact(out.values)) return false;
        break;
      case Token::Greater:
      case Token::Less:
        out.op = token == Token::Greater ? SelectorOp::Greater : SelectorOp::Less;
        if (!exact(out.values)) return false;
        break;
      default:
        return fail("found '" + shown + "', expected: in, notin, =, ==, !=, gt, lt");
    }
    std::sort(out.values.begin(), out.values.end());
    out.values.erase(std::unique(out.values.begin(), out.values.end()), out.values.end());
    return check_values(out);
  }

  bool check_values(const Requirement& r) {
    if (r.op == SelectorOp::Greater || r.op == SelectorOp::Less) {
      std::int64_t n = 0;
      const std::string& value = r.values.front();
      const auto end = std::from_chars(value.data(), value.data() + value.size(), n);
      if (end.ec != std::errc() || end.ptr != value.data() + value.size()) {
        return fail("values[0]: Invalid value: " + json_quote(value) +
                    ": for 'Gt', 'Lt' operators, the value must be an integer");
      }
    }
    for (std::size_t i = 0; i < r.values.size(); ++i) {
      const std::string& value = r.values[i];
      const std::string place =
          "values[" + std::to_string(i) + "][" + r.key + "]: Invalid value: " + json_quote(value);
      if (value.size() > 63) return fail(place + ": must be no more than 63 bytes");
      if (!value.empty() && !is_word(value)) return fail(place + ": " + kLabelValue);
    }
    return true;
  }

  bool exact(std::vector<std::string>& values) {
    if (peek() == Token::End || peek() == Token::Comma) {
      values.emplace_back();
      return true;
    }
    if (peek() != Token::Word) return fail("found '" + text() + "', expected: identifier");
    values.push_back(text());
    next();
    return true;
  }

  bool list(std::vector<std::string>& values) {
    if (peek() != Token::Open) return fail("found '" + text() + "' expected: '('");
    next();
    if (peek() != Token::Word && peek() != Token::Comma && peek() != Token::Close) {
      return fail("found '" + text() + "', expected: ',', ')' or identifier");
    }
    for (;;) {
      if (peek() == Token::Word) {
        values.push_back(text());
        next();
      } else {
        values.emplace_back();  // nothing between two commas is the empty value
      }
      if (peek() == Token::Close) break;
      if (peek() != Token::Comma) return fail("found '" + text() + "', expected: ',' or ')'");
      next();
    }
    next();
    return true;
  }

  std::vector<Lexeme> lexemes_;
  std::size_t at_ = 0;
  std::string error_;
};

/// Parts of `text` between commas that no backslash precedes.
std::vector<std::string_view> split_terms(std::string_view text) {
  std::vector<std::string_view> terms;
  std::size_t start = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && text[i] == '\\') {
      ++i;
    } else if (i >= text.size() || text[i] == ',') {
      if (i > start) terms.push_back(text.substr(start, std::min(i, text.size()) - start));
      start = i + 1;
    }
  }
  if (start < text.size()) terms.push_back(text.substr(start));
  return terms;
}

/// The value without its backslashes; the error goes to `error`.
std::string unescape(std::string_view text, std::string& error) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\') {
      if (i + 1 >= text.size() ||
          std::string_view("\\,=").find(text[i + 1]) == std::string_view::npos) {
        error =
            "invalid field selector: invalid escape sequence: " + std::string(text.substr(i, 2));
        return out;
      }
      out += text[++i];
    } else if (c == ',' || c == '=') {
      error = "invalid field selector: unescaped character in value: " +
              std::to_string(static_cast<int>(c));
      return out;
    } else {
      out += c;
    }
  }
  return out;
}

/// Events are stored in one shape under the field names of core/v1. Empty: not a field of `kind`.
std::string stored_field(std::string_view name, const schema::Kind& kind) {
  if (kind.to_stored == nullptr) return std::string(name);
  if (name.starts_with("regarding.")) return "involvedObject." + std::string(name.substr(10));
  if (name == "reportingController") return "reportingComponent";
  if (name.starts_with("involvedObject.") || name == "reportingComponent" || name == "source") {
    return "";
  }
  return std::string(name);
}

std::optional<std::string> unknown_field(std::string_view name, const schema::Kind& kind) {
  const std::string stored = stored_field(name, kind);
  if (stored == "metadata.name" || stored == "metadata.namespace") return std::nullopt;
  const auto& known = selectable_fields(kind);
  if (std::find(known.begin(), known.end(), stored) != known.end()) return std::nullopt;
  if (kind.resource.plural == "jobs") {
    return "field label " + json_quote(name) + " not supported for Job";
  }
  if (kind.custom || !known.empty()) return "field label not supported: " + std::string(name);
  return json_quote(name) +
         " is not a known field selector: only \"metadata.name\", \"metadata.namespace\"";
}

Answer<std::vector<Requirement>> parse_fields(std::string_view text, const schema::Kind& kind) {
  std::vector<Requirement> out;
  for (const std::string_view term : split_terms(text)) {
    std::size_t at = 0;
    std::size_t length = 0;
    Requirement requirement;
    for (std::size_t i = 0; i < term.size() && length == 0; ++i) {
      if (term[i] == '\\') {
        ++i;
      } else if (term.substr(i, 2) == "!=" || term[i] == '=') {
        at = i;
        length = term.substr(i, 2) == "!=" || term.substr(i, 2) == "==" ? 2 : 1;
        requirement.op = term[i] == '!' ? SelectorOp::NotIn : SelectorOp::In;
      }
    }
    if (length == 0) {
      return bad_request("invalid selector: '" + std::string(text) + "'; can't understand '" +
                         std::string(term) + "'");
    }
    std::string error;
    const std::string_view name = term.substr(0, at);
    requirement.values.push_back(unescape(term.substr(at + length), error));
    if (!error.empty()) return bad_request(std::move(error));
    if (name.empty() && length == 1 && requirement.values.front().empty()) continue;  // "=" alone
    if (auto unknown = unknown_field(name, kind)) return bad_request(*std::move(unknown));
    requirement.key = stored_field(name, kind);
    out.push_back(std::move(requirement));
  }
  return out;
}

const std::string* value_of(const storage::Pairs& pairs, const std::string& key) {
  const auto found =
      std::lower_bound(pairs.begin(), pairs.end(), key,
                       [](const auto& pair, const std::string& k) { return pair.first < k; });
  return found != pairs.end() && found->first == key ? &found->second : nullptr;
}

bool compares(const Requirement& r, const std::string& value) {
  std::int64_t have = 0;
  std::int64_t limit = 0;
  const auto end = std::from_chars(value.data(), value.data() + value.size(), have);
  if (end.ec != std::errc() || end.ptr != value.data() + value.size()) return false;
  const std::string& text = r.values.front();
  std::from_chars(text.data(), text.data() + text.size(), limit);
  return r.op == SelectorOp::Greater ? have > limit : have < limit;
}

bool holds(const Requirement& r, const std::string* value) {
  const auto listed = [&] { return std::binary_search(r.values.begin(), r.values.end(), *value); };
  switch (r.op) {
    case SelectorOp::Exists:
      return value != nullptr;
    case SelectorOp::Absent:
      return value == nullptr;
    case SelectorOp::In:
      return value != nullptr && listed();
    case SelectorOp::NotIn:
      return value == nullptr || !listed();
    case SelectorOp::Greater:
    case SelectorOp::Less:
      return value != nullptr && compares(r, *value);
  }
  return false;
}

std::string_view exact(const std::vector<Requirement>& fields, std::string_view key) {
  for (const Requirement& r : fields) {
    if (r.key == key && r.op == SelectorOp::In) return r.values.front();
  }
  return {};
}

}  // namespace

bool Selector::matches(const storage::Attributes& attributes) const {
  const auto all = [](const std::vector<Requirement>& requirements, const storage::Pairs& pairs) {
    return std::all_of(requirements.begin(), requirements.end(),
                       [&](const Requirement& r) { return holds(r, value_of(pairs, r.key)); });
  };
  static const std::string empty;
  return all(labels, attributes.labels) &&
         std::all_of(fields.begin(), fields.end(), [&](const Requirement& r) {
           const std::string* value = value_of(attributes.fields, r.key);
           return holds(r, value == nullptr ? &empty : value);
         });
}

std::string_view Selector::exact_name() const { return exact(fields, "metadata.name"); }
std::string_view Selector::exact_namespace() const { return exact(fields, "metadata.namespace"); }

Answer<Selector> parse_selector(std::string_view labels, std::string_view fields,
                                const schema::Kind& kind) {
  Selector selector;
  if (labels.size() > kMostText || fields.size() > kMostText) {
    return bad_request("the selector is longer than 64 KiB");
  }
  LabelParser parser(labels);
  selector.labels = parser.parse();
  if (!parser.error().empty()) return bad_request(parser.error());
  auto parsed = parse_fields(fields, kind);
  if (!parsed) return Refused(std::move(parsed).error());
  selector.fields = *std::move(parsed);
  return selector;
}

}  // namespace millrace::apiserver
