#include <algorithm>
#include <iterator>

#include "controllers/expression/functions.h"
#include "controllers/expression/parser.h"

namespace millrace::expression {
namespace {

constexpr std::string_view kKeywords[] = {"if",     "else",     "end",   "range", "with",
                                          "define", "template", "block", "break", "continue"};

bool ends_operand(const Token& token) {
  switch (token.kind) {
    case Token::Kind::Name:
    case Token::Kind::Text:
    case Token::Kind::Integer:
    case Token::Kind::Number:
      return true;
    case Token::Kind::Sign:
      return token.is(")") || token.is("]") || token.is("}");
    case Token::Kind::End:
      break;
  }
  return false;
}

bool begins_argument(const Token& token) {
  switch (token.kind) {
    case Token::Kind::Name:
      return token.text != "in";
    case Token::Kind::Text:
    case Token::Kind::Integer:
    case Token::Kind::Number:
      return true;
    case Token::Kind::Sign:
      return token.is("(") || token.is(".") || token.is("$");
    case Token::Kind::End:
      break;
  }
  return false;
}

}  // namespace

std::string_view old_keyword(std::string_view text, std::size_t position) {
  while (position < text.size() && is_blank(text[position])) ++position;
  std::size_t end = position;
  while (end < text.size() && text[end] >= 'a' && text[end] <= 'z') ++end;
  const std::string_view word = text.substr(position, end - position);
  if (std::ranges::find(kKeywords, word) == std::end(kKeywords)) return {};
  const bool ends = end == text.size() || is_blank(text[end]) || text[end] == '}';
  return ends ? word : std::string_view();
}

bool is_old_spelling(std::string_view text, std::size_t position) {
  Lexer lexer(text, position);
  Token last;
  int braces = 0;
  for (int count = 0;; ++count) {
    auto token = lexer.next();
    if (!token.ok() || token->kind == Token::Kind::End) return false;
    if (token->is("{")) ++braces;
    if (token->is("}") && --braces < 0) return false;
    if (token->is(".") && (token->after_blank || !ends_operand(last))) return true;
    if (token->is("$")) return true;
    if (count == 1 && last.kind == Token::Kind::Name && token->after_blank &&
        begins_argument(*token) && find_old_function(last.text) != nullptr) {
      return true;
    }
    last = *std::move(token);
  }
}

Result<OldParser::Action> OldParser::parse() {
  MR_ASSIGN(const Action action, pipeline());
  if (token().is(":=") || token().is("=")) {
    return error("variables are not supported; write the path where it is used");
  }
  MR_TRY(finish(action.node));
  return action;
}

Result<OldParser::Action> OldParser::pipeline() {
  const std::size_t begin = token().begin;
  if (++depth_ > kMaxHeight) {
    return error("nested more than " + std::to_string(kMaxHeight) + " deep; simplify it");
  }
  MR_ASSIGN(Action action, command(std::nullopt, begin));
  while (token().is("|")) {
    MR_TRY(advance());
    if (token().kind != Token::Kind::Name) {
      return error("expected the name of a function after `|`, found " + found());
    }
    MR_ASSIGN(action, command(action, begin));
  }
  --depth_;
  return action;
}

Result<OldParser::Action> OldParser::command(std::optional<Action> piped, std::size_t begin) {
  const bool is_literal =
      token().is_name("true") || token().is_name("false") || token().is_name("nil");
  if (token().kind == Token::Kind::Name && (piped || !is_literal)) {
    std::vector<NodeId> arguments;
    if (piped) {
      MR_ASSIGN(const NodeId value, value_of(*piped, begin));
      arguments.push_back(value);  // goes behind the others, as Go has it
    }
    return function_call(std::move(arguments), begin);
  }
  MR_ASSIGN(const NodeId only, operand());
  if (begins_operand()) return error_at(begin, "this is no function, so nothing can follow it");
  return Action{only, Part::Use::OldText};
}

Result<OldParser::Action> OldParser::function_call(std::vector<NodeId> arguments,
                                                   std::size_t begin) {
  const Token name = token();
  const Function* function = find_old_function(name.text);
  if (function == nullptr) {
    return error("unknown function " + name.text +
                 " in the old spelling; in the new one paths have no leading dot: `{{ "
                 "params.x == 'y' ? 'a' : 'b' }}`");
  }
  MR_TRY(advance());
  const std::size_t piped = arguments.size();
  while (begins_operand()) {
    MR_ASSIGN(const NodeId argument, operand());
    arguments.push_back(argument);
  }
  std::rotate(arguments.begin(), arguments.begin() + static_cast<std::ptrdiff_t>(piped),
              arguments.end());
  if (name.text == "index" && !arguments.empty()) {
    std::vector<PathPart> parts;
    for (std::size_t i = 1; i < arguments.size(); ++i) {
      MR_ASSIGN(PathPart part, fixed_part(arguments[i]));
      parts.push_back(std::move(part));
    }
    MR_ASSIGN(const NodeId extended, extend(arguments[0], std::move(parts), begin));
    return Action{extended, Part::Use::OldText};
  }
  if (name.text == "toJson" && arguments.size() == 1) {
    return Action{arguments[0], Part::Use::OldJson};
  }
  const bool typed = name.text == "toInt" || name.text == "toBool";
  MR_ASSIGN(const NodeId node, call(*function, std::move(arguments), begin));
  return Action{node, typed ? Part::Use::OldTyped : Part::Use::OldText};
}

Result<NodeId> OldParser::value_of(const Action& action, std::size_t begin) {
  if (action.use != Part::Use::OldJson) return action.node;
  return call(*find_old_function("toJson"), {action.node}, begin);
}

bool OldParser::begins_operand() const {
  if (begins_argument(token()) || token().is_name("in")) return true;
  return token().is("-") && token().end < program_.text.size() &&
         is_digit(program_.text[token().end]);
}

Result<NodeId> OldParser::operand() {
  if (token().is("(")) return parenthesis();
  if (token().is(".") || token().is("$")) return field_path();
  if (token().kind == Token::Kind::Name) {
    const Token name = token();
    MR_TRY(advance());
    if (name.text == "true" || name.text == "false") {
      return literal(name.text == "true", name.begin);
    }
    if (name.text == "nil") return literal(nullptr, name.begin);
    return error_at(name.begin,
                    "put a call that is an argument into parentheses: (" + name.text + " ...)");
  }
  return number_or_text();
}

Result<NodeId> OldParser::number_or_text() {
  const std::size_t begin = token().begin;
  const bool negative = token().is("-");
  if (negative) MR_TRY(advance());
  codec::Value value;
  if (token().kind == Token::Kind::Integer) {
    value = negative ? -token().integer : token().integer;
  } else if (token().kind == Token::Kind::Number) {
    value = negative ? -token().number : token().number;
  } else if (token().kind == Token::Kind::Text && !negative) {
    value = token().text;
  } else {
    return error("expected a value, found " + found());
  }
  MR_TRY(advance());
  return literal(std::move(value), begin);
}

Result<NodeId> OldParser::parenthesis() {
  const std::size_t begin = token().begin;
  MR_TRY(advance());
  MR_ASSIGN(const Action inner, pipeline());
  MR_TRY(expect(")", "to close the parenthesis"));
  MR_ASSIGN(const NodeId value, value_of(inner, begin));
  MR_ASSIGN(auto parts, fields());
  if (parts.empty()) return value;
  return extend(value, std::move(parts), begin);
}

Result<std::vector<PathPart>> OldParser::fields() {
  std::vector<PathPart> parts;
  while (token().is(".") && !token().after_blank) {
    if (parts.size() >= kMaxPathParts) return error("the path is too long");
    MR_TRY(advance());
    if (token().kind != Token::Kind::Name || token().after_blank) {
      return error("expected a field's name after `.`, found " + found());
    }
    parts.push_back({Segment::named(token().text), kNoNode});
    MR_TRY(advance());
  }
  return parts;
}

Result<NodeId> OldParser::field_path() {
  Node path;
  path.kind = Node::Kind::Path;
  path.old = true;
  path.begin = token().begin;
  if (token().is("$")) {
    MR_TRY(advance());
    if (!token().is(".") || token().after_blank) {
      return error_at(path.begin, "variables are not supported; write the path where it is used");
    }
  }
  MR_TRY(advance());
  if (token().kind != Token::Kind::Name || token().after_blank) {
    return error_at(path.begin, "`.` alone is not supported; name a field, such as .Response");
  }
  path.parts.push_back({Segment::named(token().text), kNoNode});
  MR_TRY(advance());
  MR_ASSIGN(const auto more, fields());
  path.parts.insert(path.parts.end(), more.begin(), more.end());
  return add(std::move(path));
}

Result<NodeId> OldParser::extend(NodeId base, std::vector<PathPart> parts, std::size_t begin) {
  Node result;
  result.begin = begin;
  result.old = true;
  result.kind = Node::Kind::Access;
  if (node(base).kind == Node::Kind::Path) {
    result.kind = Node::Kind::Path;
    result.parts = node(base).parts;
  } else {
    result.kids = {base};
  }
  result.parts.insert(result.parts.end(), std::make_move_iterator(parts.begin()),
                      std::make_move_iterator(parts.end()));
  if (result.parts.size() > kMaxPathParts) return error_at(begin, "the path is too long");
  return add(std::move(result));
}

Result<> OldParser::finish(NodeId id) {
  for (const NodeId kid : node(id).kids) MR_TRY(finish(kid));
  for (const PathPart& part : node(id).parts) {
    if (part.computed != kNoNode) MR_TRY(finish(part.computed));
  }
  if (node(id).kind != Node::Kind::Path) return {};
  MR_TRY(map_to_scope(node(id)));
  refer(id, true);
  return {};
}

Result<> OldParser::map_to_scope(Node& path) {
  const std::string& root = path.parts[0].segment.name;
  const auto rename = [&](std::size_t at, std::initializer_list<std::string_view> known,
                          const char* message) -> Result<> {
    if (path.parts.size() <= at || path.parts[at].computed != kNoNode) return {};
    std::string& name = path.parts[at].segment.name;
    if (std::ranges::find(known, name) == known.end()) return error_at(path.begin, message);
    name[0] = static_cast<char>(name[0] - 'A' + 'a');
    return {};
  };
  if (root == "Name" || root == "Stages") return {};
  if (root == "Response") {
    return rename(3, {"Status", "Headers", "Body"}, "a response has .Status, .Headers and .Body");
  }
  if (root == "Time") return rename(1, {"Start", "Total"}, ".Time has .Start and .Total");
  return error_at(path.begin, "there is no field ." + root +
                                  "; the old spelling has .Response, .Name, .Stages and .Time. To "
                                  "write two braces as text: {{ '{{' }}");
}

}  // namespace millrace::expression
