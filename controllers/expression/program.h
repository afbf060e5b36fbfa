/// The parsed form of a template: parts of text, each action a tree of nodes. Inside this folder
/// only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "controllers/expression/template.h"
#include "kubeclient/codec/value.h"

namespace millrace::expression {

struct Function;

/// Index into Program::nodes. Children come before their parents.
using NodeId = std::uint32_t;
constexpr NodeId kNoNode = std::numeric_limits<NodeId>::max();

constexpr int kMaxHeight = 64;             ///< of a tree, and of `if` in `if`
constexpr std::size_t kMaxNodes = 10'000;  ///< of a template

enum class Op {
  Equal,
  NotEqual,
  Less,
  LessEqual,
  Greater,
  GreaterEqual,
  In,
  Add,
  Subtract,
  Multiply,
  Divide,
  Modulo
};

/// One step of a path as written: fixed, or computed by a node.
struct PathPart {
  Segment segment;
  NodeId computed = kNoNode;
};

struct Node {
  enum class Kind {
    Literal,
    Path,    ///< parts; parts[0] is the root
    Access,  ///< parts of the value of kids[0]
    List,    ///< kids
    Object,  ///< kids in pairs: key, value
    Not,
    Negate,
    And,  ///< two kids or more
    Or,
    Compare,     ///< two kids, one op
    Arithmetic,  ///< n kids, n - 1 ops, from left to right
    Choose,      ///< condition, then, else
    Call,        ///< function and its arguments
  };

  Kind kind = Kind::Literal;
  bool old = false;  ///< Path, Access: missing and null are the empty text
  int height = 1;
  std::size_t begin = 0;  ///< in the template's text [bytes]
  std::size_t end = 0;
  codec::Value literal;
  std::vector<PathPart> parts;
  std::vector<NodeId> kids;
  std::vector<Op> ops;
  const Function* function = nullptr;
};

struct Branch;

struct Part {
  enum class Kind { Text, Action, If };
  /// How the value of an action is used.
  enum class Use {
    Typed,     ///< canonical: any type
    OldText,   ///< always text, written as Go does
    OldTyped,  ///< after `| toInt` and `| toBool`: keeps its type
    OldJson,   ///< after `| toJson`: keeps its type; in text, JSON
  };

  Kind kind = Kind::Text;
  Use use = Use::Typed;
  std::string text;  ///< Text
  NodeId node = kNoNode;
  std::vector<Branch> branches;  ///< If: the first that holds; the last may be without condition
};

struct Branch {
  NodeId condition = kNoNode;  ///< kNoNode: `else`
  std::vector<Part> parts;
};

struct Program {
  std::string text;
  std::vector<Node> nodes;
  std::vector<Part> parts;
  std::vector<Reference> references;
};

}  // namespace millrace::expression
