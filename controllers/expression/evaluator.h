/// Walks the nodes of one template. Inside this folder only.
#pragma once

#include <string>
#include <vector>

#include "controllers/expression/evaluate.h"
#include "controllers/expression/functions.h"
#include "controllers/expression/meter.h"
#include "controllers/expression/program.h"

namespace millrace::expression {

class Evaluator {
 public:
  Evaluator(const Program& program, const Scope& scope, Meter& meter)
      : program_(program), scope_(scope), meter_(meter) {}

  /// The value of the whole template, as `expression::evaluate` describes.
  Result<codec::Value> whole();
  /// The value of the one action of a condition.
  Result<codec::Value> action(const Part& part);

 private:
  Result<> text(const std::vector<Part>& parts, std::string& out);
  Result<std::string> action_text(const Part& part);
  Result<codec::Value> typed(const Part& part);

  Result<Item> eval(NodeId id);
  Result<Item> path(const Node& node);
  Result<Item> access(const Node& node);
  Result<Item> walk(const Node& node, Item from, const std::vector<Segment>& path,
                    std::size_t used);
  Result<std::vector<Segment>> segments(const Node& node);
  Result<Item> list(const Node& node);
  Result<Item> object(const Node& node);
  Result<Item> logic(const Node& node);
  Result<Item> arithmetic(const Node& node);
  Result<Item> compare(const Node& node);
  Result<Item> call(const Node& node);
  Result<Item> special_call(const Node& node);
  Result<Item> first_present(const Node& node);
  Result<bool> condition(NodeId id, std::string_view what);
  /// Errors: NotFound when a path in it is missing, also where that is the empty text elsewhere.
  Result<Item> eval_strict(NodeId id);
  Result<codec::Value> take(Item item);

  tl::unexpected<Error> missing(const Node& node, const std::string& why) const;
  bool missing_is_empty(const Node& node) const;
  bool is_computed(const Node& node, std::size_t count) const;
  /// How a node is written, cut to be shown.
  std::string source(NodeId id) const;
  std::string source(const Node& node) const;
  /// The first `count` parts of a path, for messages; computed parts as written.
  std::string prefix(const Node& node, const std::vector<Segment>& path, std::size_t count) const;

  const Program& program_;
  const Scope& scope_;
  Meter& meter_;
  int strict_ = 0;  ///< above zero inside what `default` and the like look at
};

}  // namespace millrace::expression
