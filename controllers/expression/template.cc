#include "controllers/expression/template.h"

#include <algorithm>
#include <optional>

#include "controllers/expression/parser.h"

namespace millrace::expression {
namespace {

struct Unsupported {
  std::string_view keyword;
  std::string_view cure;
};
constexpr Unsupported kUnsupported[] = {
    {"range",
     "`range` is not supported; write a list as a whole: `{{ .Response.s.j.Body.list | toJson }}`, "
     "or `{{ params.list | join(', ') }}`"},
    {"with", "`with` is not supported; write `{{ if .X }}{{ .X }}{{ end }}`"},
    {"define", "`define` is not supported; write the text where it is used"},
    {"template", "`template` is not supported; write the text where it is used"},
    {"block", "`block` is not supported; write the text where it is used"},
    {"break", "`break` belongs to `range`, which is not supported"},
    {"continue", "`continue` belongs to `range`, which is not supported"},
};

std::string_view trim_left(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  return text;
}

std::string_view trim_right(std::string_view text) {
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

/// Splits a text into parts and gives the actions to the parsers.
class TemplateParser {
 public:
  explicit TemplateParser(Program& program) : program_(program), text_(program.text) {}

  Result<> parse() {
    MR_ASSIGN(const End end, parts(program_.parts));
    if (end.keyword.empty()) return {};
    return fail_at(text_, end.offset, "`" + std::string(end.keyword) + "` without `if`");
  }

 private:
  /// What ended a list of parts: `else`, `end`, or the end of the text (empty).
  struct End {
    std::string_view keyword;
    std::size_t offset = 0;
  };

  Result<End> parts(std::vector<Part>& out);
  Result<bool> comment();
  Result<> action(std::vector<Part>& out);
  Result<> if_action(std::vector<Part>& out, std::size_t begin);
  Result<Branch> condition();
  Result<> close(const Parser& parser);
  Result<> close_bare();
  void skip_blanks() {
    while (position_ < text_.size() && is_blank(text_[position_])) ++position_;
  }
  bool at(std::string_view what) const { return text_.substr(position_).starts_with(what); }

  Program& program_;
  std::string_view text_;
  std::size_t position_ = 0;
  bool trim_next_ = false;  ///< the action before ended with `-}}`
  int depth_ = 0;
};

Result<TemplateParser::End> TemplateParser::parts(std::vector<Part>& out) {
  while (true) {
    const std::size_t open = text_.find("{{", position_);
    std::string_view piece = text_.substr(position_, std::min(open, text_.size()) - position_);
    if (std::exchange(trim_next_, false)) piece = trim_left(piece);
    position_ = open == std::string_view::npos ? text_.size() : open + 2;
    // `{{-1}}` is a number, `{{- 1}}` is 1 with the blanks before it cut.
    if (open != std::string_view::npos && at("-") && position_ + 1 < text_.size() &&
        is_blank(text_[position_ + 1])) {
      piece = trim_right(piece);
      ++position_;
    }
    if (!piece.empty() && !out.empty() && out.back().kind == Part::Kind::Text) {
      out.back().text += piece;
    } else if (!piece.empty()) {
      Part part;
      part.text = piece;
      out.push_back(std::move(part));
    }
    if (open == std::string_view::npos) return End{};
    MR_ASSIGN(const bool was_comment, comment());
    if (was_comment) continue;
    const std::string_view keyword = old_keyword(text_, position_);
    if (keyword == "else" || keyword == "end") {
      skip_blanks();
      position_ += keyword.size();
      return End{keyword, open};
    }
    if (keyword == "if") {
      skip_blanks();
      position_ += keyword.size();
      MR_TRY(if_action(out, open));
      continue;
    }
    for (const auto& [name, cure] : kUnsupported) {
      if (name == keyword) return fail_at(text_, open, std::string(cure));
    }
    MR_TRY(action(out));
  }
}

Result<bool> TemplateParser::comment() {
  const std::size_t begin = position_;
  skip_blanks();
  if (!at("/*")) {
    position_ = begin;
    return false;
  }
  const std::size_t end = text_.find("*/", position_ + 2);
  if (end == std::string_view::npos) return fail_at(text_, begin, "the comment is not closed");
  position_ = end + 2;
  MR_TRY(close_bare());
  return true;
}

Result<> TemplateParser::action(std::vector<Part>& out) {
  Part part;
  part.kind = Part::Kind::Action;
  if (is_old_spelling(text_, position_)) {
    OldParser parser(program_, position_);
    MR_TRY(parser.start());
    MR_ASSIGN(const OldParser::Action parsed, parser.parse());
    part.node = parsed.node;
    part.use = parsed.use;
    MR_TRY(close(parser));
  } else {
    ExpressionParser parser(program_, position_);
    MR_TRY(parser.start());
    MR_ASSIGN(part.node, parser.parse());
    MR_TRY(close(parser));
  }
  out.push_back(std::move(part));
  return {};
}

Result<Branch> TemplateParser::condition() {
  OldParser parser(program_, position_);
  MR_TRY(parser.start());
  MR_ASSIGN(const OldParser::Action parsed, parser.parse());
  MR_TRY(close(parser));
  Branch branch;
  branch.condition = parsed.node;
  return branch;
}

Result<> TemplateParser::if_action(std::vector<Part>& out, std::size_t begin) {
  if (++depth_ > kMaxHeight) {
    return fail_at(text_, begin,
                   "nested more than " + std::to_string(kMaxHeight) + " deep; simplify it");
  }
  Part part;
  part.kind = Part::Kind::If;
  MR_ASSIGN(Branch branch, condition());
  while (true) {
    MR_ASSIGN(const End end, parts(branch.parts));
    const bool is_else = branch.condition == kNoNode;
    part.branches.push_back(std::move(branch));
    branch = Branch();
    if (end.keyword.empty()) return fail_at(text_, begin, "`if` without `{{ end }}`");
    if (end.keyword == "end") break;
    if (is_else) return fail_at(text_, end.offset, "`else` after `else`");
    skip_blanks();
    if (old_keyword(text_, position_) == "if") {
      position_ += 2;
      MR_ASSIGN(branch, condition());
    } else {
      MR_TRY(close_bare());
    }
  }
  MR_TRY(close_bare());
  --depth_;
  out.push_back(std::move(part));
  return {};
}

Result<> TemplateParser::close_bare() {
  const bool blank = position_ < text_.size() && is_blank(text_[position_]);
  skip_blanks();
  if (blank && at("-}}")) {
    trim_next_ = true;
    ++position_;
  }
  if (!at("}}")) return fail_at(text_, position_, "expected `}}` here");
  position_ += 2;
  return {};
}

Result<> TemplateParser::close(const Parser& parser) {
  const Token& token = parser.token();
  position_ = token.begin;
  if (token.after_blank && at("-}}")) {
    trim_next_ = true;
    ++position_;
  }
  if (at("}}")) {
    position_ += 2;
    return {};
  }
  if (token.kind == Token::Kind::End) {
    return fail_at(text_, token.begin, "`{{` is not closed with `}}`");
  }
  return fail_at(text_, token.begin, "expected an operator or `}}`, found " + parser.found());
}

Template::Template() {
  static const std::shared_ptr<const Program> empty = std::make_shared<const Program>();
  program_ = empty;
}

Result<Template> Template::parse(std::string_view text) {
  auto program = std::make_shared<Program>();
  program->text = text;
  MR_TRY(TemplateParser(*program).parse());
  std::ranges::stable_sort(program->references, {}, &Reference::offset);
  return Template(std::move(program));
}

bool Template::is_literal() const {
  return std::ranges::all_of(program_->parts,
                             [](const Part& part) { return part.kind == Part::Kind::Text; });
}

bool Template::is_expression() const {
  return program_->parts.size() == 1 && program_->parts[0].kind == Part::Kind::Action;
}

const std::string& Template::text() const { return program_->text; }

const std::vector<Reference>& Template::references() const { return program_->references; }

std::string to_string(const std::vector<Segment>& path) {
  std::string out;
  for (const Segment& segment : path) {
    if (segment.is_index) {
      out += "[" + std::to_string(segment.index) + "]";
      continue;
    }
    const auto plain = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
             static_cast<unsigned char>(c) >= 0x80;
    };
    const bool bare = !segment.name.empty() && plain(segment.name[0]) &&
                      segment.name.back() != '-' && std::ranges::all_of(segment.name, [&](char c) {
                        return plain(c) || is_digit(c) || c == '-';
                      });
    if (bare) {
      if (!out.empty()) out += '.';
      out += segment.name;
      continue;
    }
    out += out.empty() ? "'" : ".'";
    for (const char c : segment.name) {
      if (c == '\'' || c == '\\') out += '\\';
      out += c;
    }
    out += '\'';
  }
  return out;
}

}  // namespace millrace::expression
