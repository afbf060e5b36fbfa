/// The parsed form of a conveyor-belt template. Internal to the files named go_template_*.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "controllers/expression/go_template.h"
#include "kubeclient/codec/value.h"

namespace millrace::expression::gotmpl {

/// Blocks and parentheses inside one another, in a template.
inline constexpr int kMaxDepth = 64;
/// Words of all actions of a template together.
inline constexpr std::size_t kMaxParts = 10'000;

enum class Function : std::uint8_t {
  And,
  Eq,
  Ge,
  Gt,
  Html,
  Index,
  Js,
  Le,
  Len,
  Lt,
  Ne,
  Not,
  Or,
  Print,
  Printf,
  Println,
  Slice,
  ToBool,
  ToInt,
  ToJson,
  Urlquery,
};

/// What a function is called and takes.
struct Signature {
  std::string_view name;
  std::size_t min;  ///< arguments, the one that comes through a pipe included
  std::size_t max;
};
inline constexpr std::size_t kAnyNumber = kMaxParts;
/// In the order of `Function`.
inline constexpr std::array<Signature, 21> kFunctions = {{
    {"and", 1, kAnyNumber},
    {"eq", 2, kAnyNumber},
    {"ge", 2, 2},
    {"gt", 2, 2},
    {"html", 1, kAnyNumber},
    {"index", 1, kAnyNumber},
    {"js", 1, kAnyNumber},
    {"le", 2, 2},
    {"len", 1, 1},
    {"lt", 2, 2},
    {"ne", 2, 2},
    {"not", 1, 1},
    {"or", 1, kAnyNumber},
    {"print", 0, kAnyNumber},
    {"printf", 1, kAnyNumber},
    {"println", 0, kAnyNumber},
    {"slice", 1, 3},
    {"toBool", 1, 1},
    {"toInt", 1, 1},
    {"toJson", 1, 1},
    {"urlquery", 1, kAnyNumber},
}};
inline const Signature& signature(Function f) { return kFunctions[static_cast<std::size_t>(f)]; }

struct Pipeline;

/// One word of a command, with the fields behind it: `.a.b`, `$x.a`, `(f x).a`, `"text"`, `index`.
struct Operand {
  enum class Kind : std::uint8_t { Dot, Nil, Literal, Variable, Nested, Function } kind = Kind::Dot;
  Function function = Function::And;
  std::uint32_t slot = 0;  ///< of a variable, in the frame; 0 is `$`
  codec::Value literal;
  std::unique_ptr<Pipeline> nested;
  std::vector<std::string> fields;
  std::size_t offset = 0;  ///< in the template's text [bytes]; so in all parts
};

/// A function with its arguments, or one operand. Never empty.
struct Command {
  std::vector<Operand> operands;
};

/// `a | f b`, with the variables that get the value. Without commands: a block that has none
/// (`else`).
struct Pipeline {
  std::vector<std::uint32_t> slots;  ///< of the variables declared or assigned; two only in a range
  std::vector<Command> commands;
  std::size_t offset = 0;
};

struct Node;

/// One of the ways of an `if` or `with`; the last may be without condition.
struct Branch {
  bool with = false;
  Pipeline condition;
  std::vector<Node> body;
};

struct Node {
  enum class Kind : std::uint8_t { Text, Action, Choice, Range, Break, Continue } kind = Kind::Text;
  std::string text;
  Pipeline pipeline;             ///< of an Action or a Range
  std::vector<Branch> branches;  ///< of a Choice; of a Range: the body, then perhaps the `else`
  std::size_t offset = 0;
};

struct Program {
  std::vector<Node> nodes;
  std::uint32_t slots = 1;     ///< size of the frame
  bool literal = true;         ///< nodes are at most one Text
  bool single_action = false;  ///< nodes are one Action that writes
  bool converts = false;       ///< ... and it ends in toBool, toInt or toJson
  std::vector<GoTemplate::Reference> references;
};

/// "at byte 14: <what>".
tl::unexpected<Error> fault(std::size_t offset, std::string_view what);
/// A name as it may stand in a message: cut to 40 bytes at the border of a character.
std::string shown(std::string_view name);

/// Errors: as GoTemplate::parse.
Result<Program> parse(std::string_view text);
/// Note the references of `program`, and refuse paths that no run has.
/// Errors: Invalid: an unknown top-level field, a field below a text, an unknown part of a
/// response.
Result<void> check_paths(Program& program);

}  // namespace millrace::expression::gotmpl
