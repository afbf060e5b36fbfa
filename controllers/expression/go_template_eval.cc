#include "controllers/expression/go_template_eval.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "controllers/expression/go_template_print.h"

namespace millrace::expression::gotmpl {

using codec::Value;

namespace {

bool take(std::size_t& left, std::size_t amount) {
  const bool enough = amount <= left;
  left -= enough ? amount : left;
  return enough;
}

class Evaluator {
 public:
  Evaluator(const Program& program, Machine& machine)
      : program_(program), machine_(machine), dot_(&machine.root()), frame_(program.slots) {
    frame_[0] = dot_;
  }
  Result<Value> run();

 private:
  enum class Flow { Next, Break, Continue, Stop };

  Flow nodes(const std::vector<Node>& list);
  Flow node(const Node& node);
  Flow action(const Node& node);
  Flow choice(const Node& node);
  Flow range(const Node& node);
  /// One round of a loop; `key` is made only where a variable wants it.
  template <class MakeKey>
  Flow round(const Node& node, Item item, MakeKey key);
  Flow count(const Node& node, std::int64_t end);
  Flow members(const Node& node, const Value::Object& object);

  Item pipeline(const Pipeline& pipeline);
  Item command(const Command& command, bool piped, Item value);
  Item either(const Command& command, bool piped, Item value);
  Item operand(const Operand& operand);
  Item field(Item from, std::string_view name, std::size_t offset);
  Value converted();

  const Program& program_;
  Machine& machine_;
  Item dot_;
  std::vector<Item> frame_;
  std::vector<Item> args_;  // of the calls under way, the innermost last
  std::string out_;
};

Result<Value> Evaluator::run() {
  Value result;
  if (program_.converts) {
    result = converted();
  } else {
    nodes(program_.nodes);
    result = std::move(out_);
  }
  machine_.forget();
  if (machine_.failed()) return fail(machine_.error());
  return result;
}

/// The value of a single action that ends in a conversion.
Value Evaluator::converted() {
  const Pipeline& all = program_.nodes[0].pipeline;
  const Command& last = all.commands.back();
  const Operand& function = last.operands[0];
  Item item = nullptr;
  for (std::size_t i = 0; i + 1 < all.commands.size() && !machine_.failed(); ++i) {
    item = command(all.commands[i], i > 0, item);
  }
  if (last.operands.size() > 1) item = operand(last.operands[1]);
  if (machine_.failed()) return {};
  if (function.function != Function::ToJson) {
    item = call(machine_, function.function, std::span(&item, 1), function.offset);
  }
  if (item == nullptr) return {};
  const std::size_t bytes = weight(*item);
  if (!machine_.spend(bytes / 64, function.offset) || !machine_.write(bytes, function.offset)) {
    return {};
  }
  return *item;
}

Evaluator::Flow Evaluator::nodes(const std::vector<Node>& list) {
  for (const Node& each : list) {
    if (!machine_.spend(1, each.offset)) return Flow::Stop;
    if (const Flow flow = node(each); flow != Flow::Next) return flow;
  }
  return Flow::Next;
}

Evaluator::Flow Evaluator::node(const Node& node) {
  switch (node.kind) {
    case Node::Kind::Text:
      if (!machine_.spend(node.text.size() / 64, node.offset) ||
          !machine_.write(node.text.size(), node.offset)) {
        return Flow::Stop;
      }
      out_ += node.text;
      return Flow::Next;
    case Node::Kind::Action:
      return action(node);
    case Node::Kind::Choice:
      return choice(node);
    case Node::Kind::Range:
      return range(node);
    case Node::Kind::Break:
      return Flow::Break;
    case Node::Kind::Continue:
      return Flow::Continue;
  }
  return Flow::Stop;
}

Evaluator::Flow Evaluator::action(const Node& node) {
  const Item item = pipeline(node.pipeline);
  if (machine_.failed()) return Flow::Stop;
  if (!node.pipeline.slots.empty()) {
    frame_[node.pipeline.slots[0]] = item;
    return Flow::Next;
  }
  const std::size_t before = out_.size();
  append_value(out_, item, machine_.spelling());
  const std::size_t bytes = out_.size() - before;
  const bool room = machine_.spend(bytes / 64, node.offset) && machine_.write(bytes, node.offset);
  return room ? Flow::Next : Flow::Stop;
}

Evaluator::Flow Evaluator::choice(const Node& node) {
  for (const Branch& branch : node.branches) {
    if (branch.condition.commands.empty()) return nodes(branch.body);
    const Item item = pipeline(branch.condition);
    if (machine_.failed()) return Flow::Stop;
    if (!branch.condition.slots.empty()) frame_[branch.condition.slots[0]] = item;
    if (!truth(item)) continue;
    const Item outer = dot_;
    if (branch.with) dot_ = item;
    const Flow flow = nodes(branch.body);
    dot_ = outer;
    return flow;
  }
  return Flow::Next;
}

template <class MakeKey>
Evaluator::Flow Evaluator::round(const Node& node, Item item, MakeKey key) {
  if (!machine_.spend(1, node.offset)) return Flow::Stop;
  const auto& slots = node.pipeline.slots;
  if (!slots.empty()) frame_[slots.back()] = item;
  if (slots.size() > 1) {
    frame_[slots[0]] = machine_.make(key(), node.offset);
    if (machine_.failed()) return Flow::Stop;
  }
  const Item outer = dot_;
  dot_ = item;
  const Flow flow = nodes(node.branches[0].body);
  dot_ = outer;
  return flow;
}

/// The numbers below `end`.
Evaluator::Flow Evaluator::count(const Node& node, std::int64_t end) {
  if (node.pipeline.slots.size() > 1) {
    machine_.fail(node.offset, "a range over a number sets one variable");
    return Flow::Stop;
  }
  for (std::int64_t i = 0; i < end; ++i) {
    const Item number = machine_.make(Value(i), node.offset);
    const Flow flow = round(node, number, [] { return Value(); });
    if (flow == Flow::Stop) return flow;
    if (flow == Flow::Break) break;
  }
  return Flow::Next;
}

/// In the order of their keys, as Go does.
Evaluator::Flow Evaluator::members(const Node& node, const Value::Object& object) {
  if (!machine_.spend(object.size(), node.offset)) return Flow::Stop;
  std::vector<const Value::Member*> sorted;
  sorted.reserve(object.size());
  for (const auto& member : object) sorted.push_back(&member);
  std::sort(sorted.begin(), sorted.end(),
            [](const auto* a, const auto* b) { return a->first < b->first; });
  for (const Value::Member* member : sorted) {
    const Item item = member->second.is_null() ? nullptr : &member->second;
    const Flow flow = round(node, item, [&] { return Value(member->first); });
    if (flow == Flow::Stop) return flow;
    if (flow == Flow::Break) break;
  }
  return Flow::Next;
}

Evaluator::Flow Evaluator::range(const Node& node) {
  const Item over = pipeline(node.pipeline);
  if (machine_.failed()) return Flow::Stop;
  const bool can = over == nullptr || over->is_array() || over->is_object() || over->is_int();
  if (!can) {
    machine_.fail(node.pipeline.offset,
                  "range goes over a list or an object, and this is " + std::string(kind_of(over)));
    return Flow::Stop;
  }
  if (!truth(over) || (over->is_int() && over->as_int() < 0)) {
    return node.branches.size() > 1 ? nodes(node.branches[1].body) : Flow::Next;
  }
  if (over->is_object()) return members(node, over->members());
  if (over->is_int()) return count(node, over->as_int());
  std::int64_t index = 0;
  for (const Value& item : over->items()) {
    const Flow flow = round(node, item.is_null() ? nullptr : &item, [&] { return Value(index); });
    if (flow == Flow::Stop) return flow;
    if (flow == Flow::Break) break;
    ++index;
  }
  return Flow::Next;
}

Item Evaluator::pipeline(const Pipeline& pipeline) {
  Item item = nullptr;
  bool piped = false;
  for (const Command& each : pipeline.commands) {
    item = command(each, piped, item);
    if (machine_.failed()) return nullptr;
    piped = true;
  }
  return item;
}

Item Evaluator::command(const Command& command, bool piped, Item value) {
  const Operand& first = command.operands[0];
  if (first.kind != Operand::Kind::Function) return operand(first);
  if (!machine_.spend(1, first.offset)) return nullptr;
  if (first.function == Function::And || first.function == Function::Or) {
    return either(command, piped, value);
  }
  const std::size_t base = args_.size();
  for (std::size_t i = 1; i < command.operands.size(); ++i) {
    const Item item = operand(command.operands[i]);
    if (machine_.failed()) return nullptr;
    args_.push_back(item);
  }
  if (piped) args_.push_back(value);
  const Item result =
      call(machine_, first.function, std::span<const Item>(args_).subspan(base), first.offset);
  args_.resize(base);
  return result;
}

/// `and`, `or`: the first argument that decides, or the last one.
Item Evaluator::either(const Command& command, bool piped, Item value) {
  const bool decides = command.operands[0].function == Function::Or;
  Item item = nullptr;
  for (std::size_t i = 1; i < command.operands.size(); ++i) {
    item = operand(command.operands[i]);
    if (machine_.failed() || truth(item) == decides) return item;
  }
  return piped ? value : item;
}

Item Evaluator::operand(const Operand& operand) {
  if (!machine_.spend(1, operand.offset)) return nullptr;
  Item item = nullptr;
  switch (operand.kind) {
    case Operand::Kind::Dot:
      item = dot_;
      break;
    case Operand::Kind::Nil:
      break;
    case Operand::Kind::Literal:
      item = &operand.literal;
      break;
    case Operand::Kind::Variable:
      item = frame_[operand.slot];
      break;
    case Operand::Kind::Nested:
      item = pipeline(*operand.nested);
      break;
    case Operand::Kind::Function:
      return machine_.fail(operand.offset, "a function is no value");
  }
  for (const std::string& name : operand.fields) {
    if (machine_.failed()) return nullptr;
    item = field(item, name, operand.offset);
  }
  return item;
}

Item Evaluator::field(Item from, std::string_view name, std::size_t offset) {
  if (from == nullptr) return nullptr;
  if (!from->is_object()) {
    return machine_.fail(offset, "there is no field " + shown(name) + " in " +
                                     std::string(kind_of(from)) +
                                     (from->is_array() ? "; use index or range" : ""));
  }
  if (!machine_.spend(1 + from->members().size() / 16, offset)) return nullptr;
  const Item found = from->find(name);
  if (found == nullptr && from == &machine_.root()) {
    return machine_.fail(offset, "there is no field " + shown(name) +
                                     " at the top; there are .Name, .Stages, .Response and .Time");
  }
  return found == nullptr || found->is_null() ? nullptr : found;
}

}  // namespace

bool Machine::spend(std::size_t steps, std::size_t offset) {
  if (failed()) return false;
  if (take(left_.steps, steps)) return true;
  fail(offset, "the templates take too many steps; make fewer or shorter loops");
  return false;
}

bool Machine::write(std::size_t bytes, std::size_t offset) {
  if (failed()) return false;
  if (take(left_.output_bytes, bytes)) return true;
  fail(offset, "the templates give too much text; send less of the responses");
  return false;
}

bool Machine::charge(std::size_t bytes, std::size_t offset) {
  if (!spend(bytes / 64, offset)) return false;
  if (take(left_.made_bytes, bytes)) return true;
  fail(offset, "the templates make too much text on the way; make fewer or shorter loops");
  return false;
}

Item Machine::make(Value value, std::size_t offset) {
  if (!charge(value.as_string().size(), offset)) return nullptr;
  return &made_.emplace_back(std::move(value));
}

Item Machine::fail(std::size_t offset, std::string_view what) {
  if (!error_) error_ = fault(offset, what).value();
  return nullptr;
}

Result<Value> evaluate(const Program& program, Machine& machine) {
  return Evaluator(program, machine).run();
}

bool truth(Item item) {
  if (item == nullptr) return false;
  if (item->is_bool()) return item->as_bool();
  if (item->is_number()) return item->as_double() != 0;
  return !item->as_string().empty() || !item->items().empty() || !item->members().empty();
}

std::string_view kind_of(Item item) {
  if (item == nullptr || item->is_null()) return "nothing";
  if (item->is_string()) return "text";
  if (item->is_number()) return "a number";
  if (item->is_bool()) return "true or false";
  return item->is_array() ? "a list" : "an object";
}

}  // namespace millrace::expression::gotmpl
