#include <algorithm>
#include <optional>
#include <utility>

#include "controllers/expression/go_template_ast.h"
#include "controllers/expression/go_template_lex.h"

namespace millrace::expression::gotmpl {
namespace {

using Kind = Token::Kind;

/// Functions of other template languages and of people's memory, and what to write here.
constexpr std::pair<std::string_view, std::string_view> kForeign[] = {
    {"call", "there are no functions to call"},
    {"default", "what is missing is the empty text; write or: {{ or .a `otherwise` }}"},
    {"coalesce", "write or: {{ or .a .b `otherwise` }}"},
    {"ternary", "write {{ if .a }}...{{ else }}...{{ end }}"},
    {"get", "write index: {{ index .a `key` }}"},
    {"quote", "write printf: {{ printf `%q` .a }}"},
    {"toString", "values are written as text anyway"},
    {"toJSON", "it is called toJson"},
    {"tojson", "it is called toJson"},
    {"json", "it is called toJson"},
    {"int", "it is called toInt"},
    {"bool", "it is called toBool"},
    {"null", "it is called nil"},
};

std::optional<Function> function_named(std::string_view name) {
  for (std::size_t i = 0; i < kFunctions.size(); ++i) {
    if (kFunctions[i].name == name) return static_cast<Function>(i);
  }
  return std::nullopt;
}

tl::unexpected<Error> no_function(const Token& name) {
  std::string what = "there is no function " + shown(name.text) + "; ";
  const auto* known = std::find_if(std::begin(kForeign), std::end(kForeign),
                                   [&](const auto& f) { return f.first == name.text; });
  if (known != std::end(kForeign)) return fault(name.offset, what + std::string(known->second));
  what += "there are";
  for (const Signature& f : kFunctions)
    what += (&f == &kFunctions[0] ? " " : ", ") + std::string(f.name);
  return fault(name.offset, what + ". A field has a dot in front: ." + shown(name.text));
}

bool is_keyword(std::string_view name) {
  constexpr std::string_view kKeywords[] = {"block", "break", "continue", "define",   "else",
                                            "end",   "if",    "range",    "template", "with"};
  return std::find(std::begin(kKeywords), std::end(kKeywords), name) != std::end(kKeywords);
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}
  Result<Program> run();

 private:
  /// What ended a list of nodes.
  enum class Stop { Text, Else, End };
  struct Variable {
    std::string_view name;
    std::uint32_t slot = 0;
  };

  // The template as a sequence of texts and actions.
  void take_text(std::vector<Node>& out);
  Result<bool> take_action();
  Result<Stop> list(std::vector<Node>& out);
  Result<std::optional<Stop>> action(std::vector<Node>& out);

  // Blocks; the word that begins one is taken already.
  Result<void> choice(std::vector<Node>& out, std::size_t offset);
  Result<void> range(std::vector<Node>& out, std::size_t offset);
  Result<void> loop_word(Node::Kind kind, std::vector<Node>& out, const Token& word);
  Result<void> refuse_leftover(std::string_view after);
  Result<void> enter(std::size_t offset);

  // Inside an action.
  enum class Until { End, Close };
  enum class Where { Action, Condition, Range };
  Result<void> variables(Pipeline& out, Where where);
  Result<void> declare(Pipeline& out, const Token& name, bool assign);
  Result<Pipeline> pipeline(Until until, Where where, std::string_view after);
  Result<Command> command();
  Result<Operand> operand();
  static Result<void> check_call(const Command& command, bool piped);

  const Token& peek(std::size_t ahead = 0) const {
    return tokens_[std::min(next_ + ahead, tokens_.size() - 1)];
  }
  const Token& take() { return tokens_[next_ + 1 < tokens_.size() ? next_++ : next_]; }

  std::string_view text_;
  std::size_t at_ = 0;
  bool trim_ = false;  ///< white space at `at_` belongs to the action before it
  std::vector<Token> tokens_;
  std::size_t next_ = 0;
  std::size_t parts_ = 0;
  std::size_t action_offset_ = 0;
  int depth_ = 0;
  int loops_ = 0;
  std::vector<Variable> scope_ = {{"$", 0}};
  std::uint32_t slots_ = 1;
};

/// Text up to the next action, without the white space that the actions on both sides take away.
void Parser::take_text(std::vector<Node>& out) {
  const std::size_t end = std::min(text_.find("{{", at_), text_.size());
  std::string_view text = text_.substr(at_, end - at_);
  if (trim_) {
    while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  }
  const bool trims = end + 3 < text_.size() && text_[end + 2] == '-' && is_space(text_[end + 3]);
  if (trims) {
    while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  }
  trim_ = false;
  at_ = end;
  if (text.empty()) return;
  if (!out.empty() && out.back().kind == Node::Kind::Text) {
    out.back().text += text;
    return;
  }
  Node node;
  node.text = text;
  node.offset = end - text.size();
  out.push_back(std::move(node));
}

/// Read the action at `at_` into `tokens_`. False: it was a comment.
Result<bool> Parser::take_action() {
  action_offset_ = at_;
  at_ += 2;
  if (at_ + 1 < text_.size() && text_[at_] == '-' && is_space(text_[at_ + 1])) at_ += 2;
  std::size_t inside = at_;
  while (inside < text_.size() && is_space(text_[inside])) ++inside;
  if (text_.substr(inside).starts_with("/*")) {
    const std::size_t end = text_.find("*/", inside + 2);
    if (end == std::string_view::npos) return fault(inside, "this comment has no */");
    std::size_t behind = end + 2;
    while (behind < text_.size() && is_space(text_[behind])) ++behind;
    trim_ = behind > end + 2 && text_.substr(behind).starts_with("-}}");
    if (trim_) ++behind;
    if (!text_.substr(behind).starts_with("}}")) {
      return fault(action_offset_, "a comment stands alone: {{/* text */}}");
    }
    at_ = behind + 2;
    return false;
  }
  MR_TRY(lex_action(text_, at_, kMaxParts - parts_, tokens_, trim_));
  parts_ += tokens_.size() - 1;
  next_ = 0;
  return true;
}

Result<Parser::Stop> Parser::list(std::vector<Node>& out) {
  while (true) {
    take_text(out);
    if (at_ >= text_.size()) return Stop::Text;
    MR_ASSIGN(const bool real, take_action());
    if (!real) continue;
    MR_ASSIGN(const std::optional<Stop> stop, action(out));
    if (stop) return *stop;
  }
}

/// One action. A value: it ends the list that it stands in.
Result<std::optional<Parser::Stop>> Parser::action(std::vector<Node>& out) {
  const std::size_t offset = action_offset_;
  const Token word = peek();
  if (word.kind == Kind::Name && is_keyword(word.text)) {
    take();
    if (word.text == "else") return Stop::Else;
    if (word.text == "end") {
      MR_TRY(refuse_leftover("end"));
      return Stop::End;
    }
    if (word.text == "if" || word.text == "with") {
      --next_;
      MR_TRY(choice(out, offset));
    } else if (word.text == "range") {
      MR_TRY(range(out, offset));
    } else if (word.text == "break") {
      MR_TRY(loop_word(Node::Kind::Break, out, word));
    } else if (word.text == "continue") {
      MR_TRY(loop_word(Node::Kind::Continue, out, word));
    } else {
      return fault(word.offset,
                   std::string(word.text) +
                       " is not supported: each string is a template of its own; write "
                       "the text where it is used");
    }
    return std::optional<Stop>();
  }
  Node node;
  node.kind = Node::Kind::Action;
  node.offset = offset;
  MR_ASSIGN(node.pipeline, pipeline(Until::End, Where::Action, ""));
  out.push_back(std::move(node));
  return std::optional<Stop>();
}

Result<void> Parser::refuse_leftover(std::string_view after) {
  if (peek().kind == Kind::End) return {};
  return fault(peek().offset, "nothing may follow " + std::string(after));
}

Result<void> Parser::enter(std::size_t offset) {
  if (++depth_ <= kMaxDepth) return {};
  return fault(offset, "nested more than " + std::to_string(kMaxDepth) + " deep");
}

/// `if` and `with`, with their `else if` and `else`.
Result<void> Parser::choice(std::vector<Node>& out, std::size_t offset) {
  MR_TRY(enter(offset));
  const std::size_t outer = scope_.size();
  Node node;
  node.kind = Node::Kind::Choice;
  node.offset = offset;
  const std::string opener(peek().text);
  Stop stop = Stop::Else;
  bool last = false;  // `else` without condition
  while (stop == Stop::Else) {
    Branch& branch = node.branches.emplace_back();
    const bool conditional = peek().kind == Kind::Name && is_keyword(peek().text);
    if (last) return fault(action_offset_, "a second else; the first one takes all that is left");
    if (conditional) {
      const Token word = take();
      if (word.text != "if" && word.text != "with") {
        return fault(word.offset, "else is followed by if, with or nothing");
      }
      branch.with = word.text == "with";
      MR_ASSIGN(branch.condition, pipeline(Until::End, Where::Condition, word.text));
    } else {
      last = true;
      MR_TRY(refuse_leftover("else but if or with"));
    }
    const std::size_t inner = scope_.size();
    MR_ASSIGN(stop, list(branch.body));
    scope_.resize(inner);
  }
  if (stop == Stop::Text) return fault(offset, "this " + opener + " has no {{ end }}");
  scope_.resize(outer);
  --depth_;
  out.push_back(std::move(node));
  return {};
}

Result<void> Parser::range(std::vector<Node>& out, std::size_t offset) {
  MR_TRY(enter(offset));
  const std::size_t outer = scope_.size();
  Node node;
  node.kind = Node::Kind::Range;
  node.offset = offset;
  MR_ASSIGN(node.pipeline, pipeline(Until::End, Where::Range, "range"));
  const std::size_t inner = scope_.size();
  ++loops_;
  MR_ASSIGN(Stop stop, list(node.branches.emplace_back().body));
  --loops_;
  scope_.resize(inner);
  if (stop == Stop::Else) {
    MR_TRY(refuse_leftover("the else of a range"));
    MR_ASSIGN(stop, list(node.branches.emplace_back().body));
    if (stop == Stop::Else) {
      return fault(action_offset_, "a second else; the first one takes all that is left");
    }
  }
  if (stop == Stop::Text) return fault(offset, "this range has no {{ end }}");
  scope_.resize(outer);
  --depth_;
  out.push_back(std::move(node));
  return {};
}

Result<void> Parser::loop_word(Node::Kind kind, std::vector<Node>& out, const Token& word) {
  if (loops_ == 0) return fault(word.offset, std::string(word.text) + " outside of a range");
  MR_TRY(refuse_leftover(word.text));
  Node node;
  node.kind = kind;
  node.offset = word.offset;
  out.push_back(std::move(node));
  return {};
}

Result<void> Parser::declare(Pipeline& out, const Token& name, bool assign) {
  if (name.text == "$") return fault(name.offset, "$ is the root and cannot be changed");
  if (!assign) {
    // Slots are not used again, so that a value is only ever where its variable is.
    scope_.push_back({name.text, slots_});
    out.slots.push_back(slots_++);
    return {};
  }
  const auto known = std::find_if(scope_.rbegin(), scope_.rend(),
                                  [&](const Variable& v) { return v.name == name.text; });
  if (known == scope_.rend()) {
    return fault(name.offset,
                 "there is no variable " + shown(name.text) + " here; make it with :=");
  }
  out.slots.push_back(known->slot);
  return {};
}

/// `$x :=`, `$x =` and in a range `$i, $e :=`.
Result<void> Parser::variables(Pipeline& out, Where where) {
  const auto sets = [&](std::size_t ahead) {
    return peek(ahead).kind == Kind::Declare || peek(ahead).kind == Kind::Assign;
  };
  if (peek().kind != Kind::Variable) return {};
  std::size_t count = 0;
  if (sets(1)) count = 1;
  if (where == Where::Range && peek(1).kind == Kind::Comma && peek(2).kind == Kind::Variable &&
      sets(3)) {
    count = 2;
  }
  if (count == 0) return {};
  const bool assign = peek(count * 2 - 1).kind == Kind::Assign;
  for (std::size_t i = 0; i < count; ++i) {
    const Token name = take();
    take();
    MR_TRY(declare(out, name, assign));
  }
  return {};
}

Result<Pipeline> Parser::pipeline(Until until, Where where, std::string_view after) {
  Pipeline out;
  // Of one in parentheses: where they open.
  out.offset = until == Until::End ? peek().offset : tokens_[next_ - 1].offset;
  const std::size_t known = scope_.size();
  if (until == Until::End) MR_TRY(variables(out, where));
  // A variable is not yet there on its own right side.
  const auto fresh = scope_.begin() + static_cast<std::ptrdiff_t>(known);
  const std::vector<Variable> declared(fresh, scope_.end());
  scope_.resize(known);
  const Kind stop = until == Until::End ? Kind::End : Kind::Close;
  while (true) {
    const Token& first = peek();
    if (first.kind == Kind::End || first.kind == Kind::Close || first.kind == Kind::Pipe) {
      if (first.kind == stop && out.commands.empty() && !after.empty()) {
        return fault(first.offset, std::string(after) + " without a value");
      }
      if (first.kind == Kind::End && until == Until::Close) {
        return fault(out.offset, "this ( has no ) behind it");
      }
      return fault(first.offset, "a value is missing here");
    }
    MR_ASSIGN(Command next, command());
    MR_TRY(check_call(next, !out.commands.empty()));
    out.commands.push_back(std::move(next));
    if (peek().kind == Kind::Pipe) {
      take();
      continue;
    }
    break;
  }
  if (peek().kind != stop) {
    if (peek().kind == Kind::End) return fault(out.offset, "this ( has no ) behind it");
    return fault(peek().offset, peek().kind == Kind::Close ? "this ) has no ( before it"
                                                           : "this cannot stand here");
  }
  take();
  scope_.insert(scope_.end(), declared.begin(), declared.end());
  return out;
}

Result<Command> Parser::command() {
  Command out;
  while (true) {
    const Token& token = peek();
    switch (token.kind) {
      case Kind::End:
      case Kind::Close:
      case Kind::Pipe:
        return out;
      case Kind::Comma:
        return fault(token.offset, "unexpected comma; arguments are separated by spaces");
      case Kind::Declare:
      case Kind::Assign:
        return fault(token.offset,
                     "only a variable at the beginning of an action can be set: "
                     "{{ $name := value }}; compare with eq");
      default:
        break;
    }
    if (!out.operands.empty() && !token.space_before) {
      return fault(token.offset, "a space is missing here");
    }
    MR_ASSIGN(Operand next, operand());
    const bool call = next.kind == Operand::Kind::Function;
    if (call && !out.operands.empty()) {
      return fault(next.offset, "a function among arguments stands in parentheses: (" +
                                    std::string(signature(next.function).name) + " ...)");
    }
    out.operands.push_back(std::move(next));
  }
}

Result<Operand> Parser::operand() {
  Token token = take();
  Operand out;
  out.offset = token.offset;
  switch (token.kind) {
    case Kind::Dot:
      break;
    case Kind::Field:
      out.fields.emplace_back(token.text);
      break;
    case Kind::Literal:
      out.kind = Operand::Kind::Literal;
      out.literal = std::move(token.value);
      break;
    case Kind::Variable: {
      const auto known = std::find_if(scope_.rbegin(), scope_.rend(),
                                      [&](const Variable& v) { return v.name == token.text; });
      if (known == scope_.rend()) {
        return fault(token.offset, "there is no variable " + shown(token.text) +
                                       " here; make it with {{ " + shown(token.text) +
                                       " := value }} in this string");
      }
      out.kind = Operand::Kind::Variable;
      out.slot = known->slot;
      break;
    }
    case Kind::Open: {
      MR_TRY(enter(token.offset));
      MR_ASSIGN(Pipeline nested, pipeline(Until::Close, Where::Condition, ""));
      --depth_;
      out.kind = Operand::Kind::Nested;
      out.nested = std::make_unique<Pipeline>(std::move(nested));
      break;
    }
    default: {  // Name: command() lets nothing else through
      if (token.text == "true" || token.text == "false") {
        out.kind = Operand::Kind::Literal;
        out.literal = token.text == "true";
      } else if (token.text == "nil") {
        out.kind = Operand::Kind::Nil;
      } else if (is_keyword(token.text)) {
        return fault(token.offset, shown(token.text) + " stands at the beginning of an action");
      } else if (const auto function = function_named(token.text)) {
        out.kind = Operand::Kind::Function;
        out.function = *function;
      } else {
        return no_function(token);
      }
    }
  }
  const bool has_fields =
      token.kind == Kind::Field || token.kind == Kind::Variable || token.kind == Kind::Open;
  while (has_fields && peek().kind == Kind::Field && !peek().space_before) {
    out.fields.emplace_back(take().text);
  }
  if (peek().kind == Kind::Dot && !peek().space_before) {
    return fault(peek().offset,
                 "a dot without a name behind it; names with other characters are "
                 "reached with index: {{ index .a `the name` }}");
  }
  return out;
}

/// Only functions take arguments, and only as many as they know what to do with.
Result<void> Parser::check_call(const Command& command, bool piped) {
  const Operand& first = command.operands.front();
  const std::size_t given = command.operands.size() - 1 + (piped ? 1 : 0);
  if (first.kind == Operand::Kind::Nil && given == 0) {
    return fault(first.offset, "nil alone is nothing");
  }
  if (first.kind != Operand::Kind::Function) {
    if (given == 0) return {};
    return fault(first.offset, piped
                                   ? "behind a | stands a function"
                                   : "this is no function and takes no arguments; methods of Go's "
                                     "values cannot be called");
  }
  const Signature& known = signature(first.function);
  if (given >= known.min && given <= known.max) return {};
  const bool few = given < known.min;
  const std::size_t bound = few ? known.min : known.max;
  return fault(first.offset, std::string(known.name) + " takes " +
                                 (known.min == known.max ? ""
                                  : few                  ? "at least "
                                                         : "at most ") +
                                 std::to_string(bound) + (bound == 1 ? " argument" : " arguments") +
                                 ", not " + std::to_string(given));
}

Result<Program> Parser::run() {
  Program out;
  MR_ASSIGN(const Stop stop, list(out.nodes));
  if (stop == Stop::Else)
    return fault(action_offset_, "else without if, with or range in this string");
  if (stop == Stop::End)
    return fault(action_offset_, "end without if, with or range in this string");
  out.slots = slots_;
  out.literal =
      out.nodes.empty() || (out.nodes.size() == 1 && out.nodes[0].kind == Node::Kind::Text);
  const Pipeline* only = out.nodes.size() == 1 ? &out.nodes[0].pipeline : nullptr;
  out.single_action =
      only != nullptr && out.nodes[0].kind == Node::Kind::Action && only->slots.empty();
  if (out.single_action) {
    const Operand& last = only->commands.back().operands.front();
    out.converts = last.kind == Operand::Kind::Function &&
                   (last.function == Function::ToBool || last.function == Function::ToInt ||
                    last.function == Function::ToJson);
  }
  return out;
}

}  // namespace

tl::unexpected<Error> fault(std::size_t offset, std::string_view what) {
  return fail(Code::Invalid, "at byte " + std::to_string(offset) + ": " + std::string(what));
}

std::string shown(std::string_view name) {
  constexpr std::size_t kLongest = 40;
  if (name.size() <= kLongest) return std::string(name);
  std::size_t end = kLongest;
  while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xC0) == 0x80) --end;
  return std::string(name.substr(0, end)) + "...";
}

Result<Program> parse(std::string_view text) {
  MR_ASSIGN(Program program, Parser(text).run());
  MR_TRY(check_paths(program));
  return program;
}

}  // namespace millrace::expression::gotmpl
