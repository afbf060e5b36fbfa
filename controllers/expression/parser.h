/// Parsers of the two spellings, which share a builder. Inside this folder only.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controllers/expression/lexer.h"
#include "controllers/expression/program.h"
#include "kubeclient/base/result.h"

namespace millrace::expression {

constexpr std::size_t kMaxPathParts = 64;

/// Reads one action's tokens and adds nodes to a program.
class Parser {
 public:
  /// Begins at `position`, behind `{{` and what was read of the action.
  Parser(Program& program, std::size_t position)
      : program_(program), lexer_(program.text, position) {}

  /// Read the first token. Call before all others.
  Result<> start() { return advance(); }
  /// Where the token begins that was not used, and what it is, for messages.
  const Token& token() const { return token_; }
  std::string found() const;

 protected:
  Result<> advance();
  tl::unexpected<Error> error(const std::string& message) const;
  tl::unexpected<Error> error_at(std::size_t offset, const std::string& message) const;
  Result<> expect(std::string_view sign, std::string_view why);

  /// Ends at the last token read; height from kids and parts.
  Result<NodeId> add(Node node);
  Result<NodeId> literal(codec::Value value, std::size_t begin);
  Node& node(NodeId id) { return program_.nodes[id]; }
  Result<NodeId> call(const Function& function, std::vector<NodeId> arguments, std::size_t begin);
  /// The part that `[index]` stands for: fixed when it is a literal.
  Result<PathPart> fixed_part(NodeId index);
  /// Record the path of a Path node.
  void refer(NodeId id, bool optional);
  std::size_t reference_count() const { return program_.references.size(); }
  /// Missing is no error for the references from number `first` on.
  void make_optional(std::size_t first);

  Program& program_;

 private:
  Lexer lexer_;
  Token token_;
  std::size_t last_end_ = 0;  ///< of the token before
};

/// The canonical spelling.
class ExpressionParser final : public Parser {
 public:
  using Parser::Parser;
  Result<NodeId> parse() { return expression(); }

 private:
  Result<NodeId> expression();
  Result<NodeId> alternatives(Node::Kind kind);
  Result<NodeId> comparison();
  Result<NodeId> sum();
  Result<NodeId> product();
  Result<NodeId> arithmetic(Result<NodeId> (ExpressionParser::*operand)(), std::string_view signs);
  Result<NodeId> unary();
  Result<NodeId> postfix();
  Result<NodeId> primary();
  Result<NodeId> path();
  Result<NodeId> list();
  Result<NodeId> object();
  Result<PathPart> path_part();
  Result<std::vector<PathPart>> path_parts();
  Result<NodeId> pipe(NodeId left, std::size_t first_reference, std::size_t begin);
  Result<NodeId> function_call(std::string name, std::size_t begin);
  Result<std::vector<NodeId>> arguments();

  int depth_ = 0;
};

/// The old spelling: what Go templates of conveyor-belt files hold.
class OldParser final : public Parser {
 public:
  using Parser::Parser;

  struct Action {
    NodeId node = kNoNode;
    Part::Use use = Part::Use::OldText;
  };
  Result<Action> parse();

 private:
  Result<Action> pipeline();
  Result<Action> command(std::optional<Action> piped, std::size_t begin);
  Result<Action> function_call(std::vector<NodeId> arguments, std::size_t begin);
  Result<NodeId> operand();
  Result<NodeId> parenthesis();
  Result<NodeId> number_or_text();
  Result<NodeId> field_path();
  Result<NodeId> extend(NodeId base, std::vector<PathPart> parts, std::size_t begin);
  Result<std::vector<PathPart>> fields();
  /// The value of an action that is only a part of another.
  Result<NodeId> value_of(const Action& action, std::size_t begin);
  bool begins_operand() const;
  /// Check and record the paths below `id`, once they are whole.
  Result<> finish(NodeId id);
  Result<> map_to_scope(Node& path);

  int depth_ = 0;
};

/// Whether an action that begins at `position` is in the old spelling.
bool is_old_spelling(std::string_view text, std::size_t position);

/// The keyword of Go templates that begins at `position`, else empty.
std::string_view old_keyword(std::string_view text, std::size_t position);

}  // namespace millrace::expression
