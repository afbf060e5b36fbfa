#include "controllers/expression/parser.h"

#include <algorithm>
#include <optional>

#include "controllers/expression/functions.h"

namespace millrace::expression {

using codec::Value;

Result<> Parser::advance() {
  last_end_ = token_.end;
  MR_ASSIGN(token_, lexer_.next());
  return {};
}

tl::unexpected<Error> Parser::error(const std::string& message) const {
  return error_at(token_.begin, message);
}

tl::unexpected<Error> Parser::error_at(std::size_t offset, const std::string& message) const {
  return fail_at(program_.text, offset, message);
}

std::string Parser::found() const {
  if (token_.kind == Token::Kind::End) return "the end";
  return "`" +
         program_.text.substr(token_.begin, std::min<std::size_t>(token_.end - token_.begin, 40)) +
         "`";
}

Result<> Parser::expect(std::string_view sign, std::string_view why) {
  if (token_.is(sign)) return advance();
  return error("expected `" + std::string(sign) + "` " + std::string(why) + ", found " + found());
}

Result<NodeId> Parser::add(Node node) {
  node.end = last_end_;
  int height = 0;
  const auto child = [&](NodeId id) {
    if (id != kNoNode) height = std::max(height, program_.nodes[id].height);
  };
  for (const NodeId id : node.kids) child(id);
  for (const PathPart& part : node.parts) child(part.computed);
  node.height = height + 1;
  if (node.height > kMaxHeight) {
    return error_at(node.begin,
                    "nested more than " + std::to_string(kMaxHeight) + " deep; simplify it");
  }
  if (program_.nodes.size() >= kMaxNodes) {
    return error_at(node.begin, "more than " + std::to_string(kMaxNodes) + " parts; simplify it");
  }
  program_.nodes.push_back(std::move(node));
  return static_cast<NodeId>(program_.nodes.size() - 1);
}

Result<NodeId> Parser::literal(Value value, std::size_t begin) {
  Node node;
  node.begin = begin;
  node.literal = std::move(value);
  return add(std::move(node));
}

Result<NodeId> Parser::call(const Function& function, std::vector<NodeId> arguments,
                            std::size_t begin) {
  const std::size_t count = arguments.size();
  if (count < function.min_arguments || count > function.max_arguments) {
    return error_at(begin, std::string(function.name) + ": wrong number of arguments; write `" +
                               std::string(function.usage) + "`");
  }
  Node node;
  node.kind = Node::Kind::Call;
  node.begin = begin;
  node.kids = std::move(arguments);
  node.function = &function;
  return add(std::move(node));
}

Result<PathPart> Parser::fixed_part(NodeId index) {
  const Node& part = node(index);
  const bool negative = part.kind == Node::Kind::Negate;
  const Node& number = negative ? node(part.kids[0]) : part;
  if (number.kind != Node::Kind::Literal) return PathPart{Segment(), index};
  if (number.literal.is_int()) {
    const std::int64_t value = number.literal.as_int();
    return PathPart{Segment::at(negative ? -value : value), kNoNode};
  }
  if (number.literal.is_string() && !negative) {
    return PathPart{Segment::named(number.literal.as_string()), kNoNode};
  }
  return error_at(part.begin, "an index is an integer or text");
}

void Parser::refer(NodeId id, bool optional) {
  const Node& path = program_.nodes[id];
  Reference reference;
  reference.optional = optional;
  reference.offset = path.begin;
  reference.text = program_.text.substr(path.begin, path.end - path.begin);
  for (const PathPart& part : path.parts) {
    if (part.computed != kNoNode) {
      reference.complete = false;
      break;
    }
    reference.path.push_back(part.segment);
  }
  program_.references.push_back(std::move(reference));
}

void Parser::make_optional(std::size_t first) {
  for (std::size_t i = first; i < program_.references.size(); ++i) {
    program_.references[i].optional = true;
  }
}

Result<NodeId> ExpressionParser::expression() {
  // The limit of heights cannot hold what is not built yet.
  if (++depth_ > kMaxHeight) {
    return error("nested more than " + std::to_string(kMaxHeight) + " deep; simplify it");
  }
  MR_ASSIGN(const NodeId condition, alternatives(Node::Kind::Or));
  NodeId result = condition;
  if (token().is("?")) {
    Node choose;
    choose.kind = Node::Kind::Choose;
    choose.begin = node(condition).begin;
    MR_TRY(advance());
    MR_ASSIGN(const NodeId then, expression());
    MR_TRY(expect(":", "between the two choices of `? :`"));
    MR_ASSIGN(const NodeId otherwise, expression());
    choose.kids = {condition, then, otherwise};
    MR_ASSIGN(result, add(std::move(choose)));
  }
  --depth_;
  return result;
}

Result<NodeId> ExpressionParser::alternatives(Node::Kind kind) {
  const bool is_or = kind == Node::Kind::Or;
  const auto operand = [&] { return is_or ? alternatives(Node::Kind::And) : comparison(); };
  MR_ASSIGN(const NodeId first, operand());
  if (!token().is(is_or ? "||" : "&&")) return first;
  Node all;
  all.kind = kind;
  all.begin = node(first).begin;
  all.kids = {first};
  while (token().is(is_or ? "||" : "&&")) {
    MR_TRY(advance());
    MR_ASSIGN(const NodeId next, operand());
    all.kids.push_back(next);
  }
  return add(std::move(all));
}

Result<NodeId> ExpressionParser::comparison() {
  static constexpr std::pair<std::string_view, Op> kOps[] = {
      {"==", Op::Equal},  {"!=", Op::NotEqual},     {"<", Op::Less}, {"<=", Op::LessEqual},
      {">", Op::Greater}, {">=", Op::GreaterEqual}, {"in", Op::In}};
  const auto operation = [&]() -> std::optional<Op> {
    for (const auto& [sign, op] : kOps) {
      if (token().is(sign) || (op == Op::In && token().is_name(sign))) return op;
    }
    return std::nullopt;
  };
  MR_ASSIGN(const NodeId left, sum());
  if (token().is("=")) return error("one `=` means nothing here; compare with `==`");
  const auto op = operation();
  if (!op) return left;
  MR_TRY(advance());
  MR_ASSIGN(const NodeId right, sum());
  if (operation()) return error("comparisons do not chain; join them with `&&`");
  Node compare;
  compare.kind = Node::Kind::Compare;
  compare.begin = node(left).begin;
  compare.kids = {left, right};
  compare.ops = {*op};
  return add(std::move(compare));
}

Result<NodeId> ExpressionParser::arithmetic(Result<NodeId> (ExpressionParser::*operand)(),
                                            std::string_view signs) {
  static constexpr std::pair<std::string_view, Op> kOps[] = {{"+", Op::Add},
                                                             {"-", Op::Subtract},
                                                             {"*", Op::Multiply},
                                                             {"/", Op::Divide},
                                                             {"%", Op::Modulo}};
  MR_ASSIGN(const NodeId first, (this->*operand)());
  Node all;
  all.kind = Node::Kind::Arithmetic;
  all.begin = node(first).begin;
  all.kids = {first};
  while (token().kind == Token::Kind::Sign && token().text.size() == 1 &&
         signs.find(token().text[0]) != std::string_view::npos) {
    if (program_.text.compare(token().begin, 3, "-}}") == 0) break;  // ends the action
    for (const auto& [sign, op] : kOps) {
      if (token().is(sign)) all.ops.push_back(op);
    }
    MR_TRY(advance());
    MR_ASSIGN(const NodeId next, (this->*operand)());
    all.kids.push_back(next);
  }
  return all.ops.empty() ? Result<NodeId>(first) : add(std::move(all));
}

Result<NodeId> ExpressionParser::sum() { return arithmetic(&ExpressionParser::product, "+-"); }
Result<NodeId> ExpressionParser::product() { return arithmetic(&ExpressionParser::unary, "*/%"); }

Result<NodeId> ExpressionParser::unary() {
  const bool negate = token().is("-");
  if (!negate && !token().is("!")) return postfix();
  if (++depth_ > kMaxHeight) {
    return error("nested more than " + std::to_string(kMaxHeight) + " deep; simplify it");
  }
  Node result;
  result.kind = negate ? Node::Kind::Negate : Node::Kind::Not;
  result.begin = token().begin;
  MR_TRY(advance());
  MR_ASSIGN(const NodeId operand, unary());
  --depth_;
  result.kids = {operand};
  return add(std::move(result));
}

Result<NodeId> ExpressionParser::postfix() {
  const std::size_t first_reference = reference_count();
  const std::size_t begin = token().begin;
  MR_ASSIGN(NodeId left, primary());
  while (true) {
    if (token().is("|")) {
      MR_ASSIGN(left, pipe(left, first_reference, begin));
    } else if ((token().is(".") || token().is("[")) && !token().after_blank) {
      Node access;
      access.kind = Node::Kind::Access;
      access.begin = begin;
      access.kids = {left};
      MR_ASSIGN(access.parts, path_parts());
      MR_ASSIGN(left, add(std::move(access)));
    } else {
      return left;
    }
  }
}

Result<NodeId> ExpressionParser::pipe(NodeId left, std::size_t first_reference, std::size_t begin) {
  MR_TRY(advance());
  if (token().kind != Token::Kind::Name) {
    return error("expected the name of a function after `|`, found " + found());
  }
  const Token name = token();
  const Function* function = find_function(name.text);
  if (function == nullptr) return error(unknown_function(name.text));
  if (function->kind != Function::Kind::Plain) make_optional(first_reference);
  MR_TRY(advance());
  std::vector<NodeId> all = {left};
  if (token().is("(") && !token().after_blank) {
    MR_ASSIGN(const auto more, arguments());
    all.insert(all.end(), more.begin(), more.end());
  }
  return call(*function, std::move(all), begin);
}

Result<NodeId> ExpressionParser::function_call(std::string name, std::size_t begin) {
  const Function* function = find_function(name);
  if (function == nullptr) return error_at(begin, unknown_function(name));
  const std::size_t first_reference = reference_count();
  MR_ASSIGN(auto all, arguments());
  if (function->kind != Function::Kind::Plain) {
    // Of `default(a, b)` only a may be missing; but b is wanted only then, so both are marked.
    make_optional(first_reference);
  }
  return call(*function, std::move(all), begin);
}

Result<std::vector<NodeId>> ExpressionParser::arguments() {
  MR_TRY(expect("(", "before the arguments"));
  std::vector<NodeId> all;
  while (!token().is(")")) {
    MR_ASSIGN(const NodeId one, expression());
    all.push_back(one);
    if (token().is(",")) {
      MR_TRY(advance());
    } else if (!token().is(")")) {
      return error("expected `,` or `)` after an argument, found " + found());
    }
  }
  MR_TRY(advance());
  return all;
}

Result<NodeId> ExpressionParser::primary() {
  const std::size_t begin = token().begin;
  switch (token().kind) {
    case Token::Kind::Integer:
    case Token::Kind::Number:
    case Token::Kind::Text: {
      Value value = token().text;
      if (token().kind == Token::Kind::Integer) value = token().integer;
      if (token().kind == Token::Kind::Number) value = token().number;
      MR_TRY(advance());
      return literal(std::move(value), begin);
    }
    case Token::Kind::Name:
      return path();
    case Token::Kind::Sign:
      if (token().is("[")) return list();
      if (token().is("{")) return object();
      if (token().is("(")) {
        MR_TRY(advance());
        MR_ASSIGN(const NodeId inner, expression());
        MR_TRY(expect(")", "to close the parenthesis"));
        return inner;
      }
      break;
    case Token::Kind::End:
      break;
  }
  return error("expected a value, found " + found());
}

Result<NodeId> ExpressionParser::path() {
  const Token name = token();
  MR_TRY(advance());
  if (name.text == "true" || name.text == "false") return literal(name.text == "true", name.begin);
  if (name.text == "null") return literal(nullptr, name.begin);
  if (name.text == "in") return error_at(name.begin, "`in` stands between two values");
  if (token().is("(") && !token().after_blank) return function_call(name.text, name.begin);
  Node path;
  path.kind = Node::Kind::Path;
  path.begin = name.begin;
  path.parts.push_back({Segment::named(name.text), kNoNode});
  MR_ASSIGN(const auto more, path_parts());
  path.parts.insert(path.parts.end(), more.begin(), more.end());
  MR_ASSIGN(const NodeId id, add(std::move(path)));
  refer(id, false);
  return id;
}

Result<std::vector<PathPart>> ExpressionParser::path_parts() {
  std::vector<PathPart> parts;
  while ((token().is(".") || token().is("[")) && !token().after_blank) {
    if (parts.size() >= kMaxPathParts) return error("the path is too long");
    MR_ASSIGN(PathPart part, path_part());
    parts.push_back(std::move(part));
  }
  return parts;
}

Result<PathPart> ExpressionParser::path_part() {
  const bool bracket = token().is("[");
  MR_TRY(advance());
  if (!bracket) {
    PathPart part;
    if (token().after_blank) return error("a blank after `.`");
    if (token().kind == Token::Kind::Integer) {
      part.segment = Segment::at(token().integer);
    } else if (token().kind == Token::Kind::Name || token().kind == Token::Kind::Text) {
      part.segment = Segment::named(token().text);
    } else {
      return error("expected a name after `.`, found " + found());
    }
    MR_TRY(advance());
    return part;
  }
  MR_ASSIGN(const NodeId index, expression());
  MR_TRY(expect("]", "to close the bracket"));
  return fixed_part(index);
}

Result<NodeId> ExpressionParser::list() {
  Node result;
  result.kind = Node::Kind::List;
  result.begin = token().begin;
  MR_TRY(advance());
  while (!token().is("]")) {
    MR_ASSIGN(const NodeId item, expression());
    result.kids.push_back(item);
    if (token().is(",")) {
      MR_TRY(advance());
    } else if (!token().is("]")) {
      return error("expected `,` or `]` in a list, found " + found());
    }
  }
  MR_TRY(advance());
  return add(std::move(result));
}

Result<NodeId> ExpressionParser::object() {
  Node result;
  result.kind = Node::Kind::Object;
  result.begin = token().begin;
  MR_TRY(advance());
  while (!token().is("}")) {
    const Token key = token();
    if (key.kind != Token::Kind::Name && key.kind != Token::Kind::Text) {
      return error("expected a key of an object, found " + found());
    }
    for (std::size_t i = 0; i < result.kids.size(); i += 2) {
      if (node(result.kids[i]).literal.as_string() == key.text)
        return error("the key is there twice");
    }
    MR_TRY(advance());
    MR_ASSIGN(const NodeId name, literal(key.text, key.begin));
    MR_TRY(expect(":", "after a key of an object"));
    MR_ASSIGN(const NodeId value, expression());
    result.kids.push_back(name);
    result.kids.push_back(value);
    if (token().is(",")) {
      MR_TRY(advance());
    } else if (!token().is("}")) {
      return error("expected `,` or `}` in an object, found " + found());
    }
  }
  MR_TRY(advance());
  return add(std::move(result));
}

}  // namespace millrace::expression
