/// Paths of a conveyor-belt template that can be known from its text alone.
#include <optional>
#include <span>
#include <utility>

#include "controllers/expression/go_template_ast.h"

namespace millrace::expression::gotmpl {
namespace {

/// Names from the root on; nothing when the text does not tell.
using Path = std::optional<std::vector<std::string_view>>;

class Checker {
 public:
  explicit Checker(std::vector<GoTemplate::Reference>& references) : references_(references) {}

  Result<void> nodes(const std::vector<Node>& list, const Path& dot);

 private:
  Result<void> choice(const Node& node, const Path& dot);
  Result<void> pipeline(const Pipeline& pipeline, const Path& dot);
  Result<void> command(const Command& command, const Path& dot);
  Result<void> note(const std::vector<std::string_view>& path, std::size_t offset);

  static Path path_of(const Operand& operand, const Path& dot);
  static Path path_of(const Pipeline& pipeline, const Path& dot);
  static bool is_index(const Command& command) {
    return command.operands[0].kind == Operand::Kind::Function &&
           command.operands[0].function == Function::Index && command.operands.size() > 1;
  }
  /// How many operands of an `index` are known: the function, the value and texts that follow.
  static std::size_t known_operands(const Command& command);

  std::vector<GoTemplate::Reference>& references_;
};

Path Checker::path_of(const Operand& operand, const Path& dot) {
  Path path;
  switch (operand.kind) {
    case Operand::Kind::Dot:
      path = dot;
      break;
    case Operand::Kind::Variable:
      if (operand.slot == 0) path.emplace();
      break;
    case Operand::Kind::Nested:
      path = path_of(*operand.nested, dot);
      break;
    default:
      break;
  }
  if (path) path->insert(path->end(), operand.fields.begin(), operand.fields.end());
  return path;
}

Path Checker::path_of(const Pipeline& pipeline, const Path& dot) {
  if (pipeline.commands.size() != 1) return std::nullopt;
  const Command& command = pipeline.commands[0];
  if (command.operands.size() == 1) return path_of(command.operands[0], dot);
  if (!is_index(command) || known_operands(command) != command.operands.size()) return std::nullopt;
  Path path = path_of(command.operands[1], dot);
  if (!path) return path;
  for (std::size_t i = 2; i < command.operands.size(); ++i) {
    path->push_back(command.operands[i].literal.as_string());
  }
  return path;
}

std::size_t Checker::known_operands(const Command& command) {
  std::size_t known = 2;
  while (known < command.operands.size() &&
         command.operands[known].kind == Operand::Kind::Literal &&
         command.operands[known].literal.is_string()) {
    ++known;
  }
  return known;
}

Result<void> Checker::nodes(const std::vector<Node>& list, const Path& dot) {
  for (const Node& node : list) {
    switch (node.kind) {
      case Node::Kind::Action:
        MR_TRY(pipeline(node.pipeline, dot));
        break;
      case Node::Kind::Choice:
        MR_TRY(choice(node, dot));
        break;
      case Node::Kind::Range:
        MR_TRY(pipeline(node.pipeline, dot));
        MR_TRY(nodes(node.branches[0].body, std::nullopt));
        if (node.branches.size() > 1) MR_TRY(nodes(node.branches[1].body, dot));
        break;
      default:
        break;
    }
  }
  return {};
}

Result<void> Checker::choice(const Node& node, const Path& dot) {
  for (const Branch& branch : node.branches) {
    if (!branch.condition.commands.empty()) MR_TRY(pipeline(branch.condition, dot));
    MR_TRY(nodes(branch.body, branch.with ? path_of(branch.condition, dot) : dot));
  }
  return {};
}

Result<void> Checker::pipeline(const Pipeline& pipeline, const Path& dot) {
  for (const Command& each : pipeline.commands) MR_TRY(command(each, dot));
  return {};
}

Result<void> Checker::command(const Command& command, const Path& dot) {
  std::size_t next = 0;
  if (is_index(command)) {
    const Operand& from = command.operands[1];
    if (Path path = path_of(from, dot)) {
      const std::size_t known = known_operands(command);
      for (next = 2; next < known; ++next) {
        path->push_back(command.operands[next].literal.as_string());
      }
      MR_TRY(note(*path, from.offset));
    }
  }
  for (; next < command.operands.size(); ++next) {
    const Operand& operand = command.operands[next];
    if (const Path path = path_of(operand, dot)) {
      MR_TRY(note(*path, operand.offset));
    } else if (operand.nested != nullptr) {
      MR_TRY(pipeline(*operand.nested, dot));
    }
  }
  return {};
}

Result<void> Checker::note(const std::vector<std::string_view>& path, std::size_t offset) {
  const auto refuse = [&](std::string_view what, std::string_view cure) {
    return fault(offset, std::string(what) + "; " + std::string(cure));
  };
  const std::size_t length = path.size();
  if (length == 0) return {};
  const std::string_view top = path[0];
  if (top == "Name") {
    if (length > 1) return refuse("Name is text and has no fields", "write {{ .Name }}");
  } else if (top == "Stages") {
    if (length > 1) return refuse("Stages is a list", "write {{ index .Stages 0 }} or use range");
  } else if (top == "Time") {
    if (length > 1 && path[1] != "Start" && path[1] != "Total") {
      return refuse("Time has no field " + shown(path[1]), "there are .Time.Start and .Time.Total");
    }
    if (length > 2)
      return refuse("the fields of Time have no fields or methods", "cut the path there");
  } else if (top != "Response") {
    return refuse("there is no field " + shown(top) + " at the top",
                  "there are .Name, .Stages, .Response and .Time");
  } else {
    if (length > 3 && path[3] != "Status" && path[3] != "Headers" && path[3] != "Body") {
      return refuse("a response has no field " + shown(path[3]),
                    "there are Status, Headers and Body: .Response.stage.job.Body.key");
    }
    if (length > 4 && path[3] == "Status")
      return refuse("Status is a number", "cut the path there");
    if (length > 1) {
      references_.push_back(
          {std::string(path[1]), length > 2 ? std::string(path[2]) : std::string(), offset});
    }
  }
  return {};
}

}  // namespace

Result<void> check_paths(Program& program) {
  std::vector<GoTemplate::Reference> references;
  MR_TRY(Checker(references).nodes(program.nodes, Path(std::in_place)));
  program.references = std::move(references);
  return {};
}

}  // namespace millrace::expression::gotmpl
