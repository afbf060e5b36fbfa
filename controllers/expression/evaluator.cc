#include "controllers/expression/evaluator.h"

#include <algorithm>
#include <utility>

#include "controllers/expression/operators.h"

namespace millrace::expression {

using codec::Value;

namespace {

constexpr std::size_t kShown = 60;  // bytes of an expression in a message

/// How `path` goes on from `value`; null when it does not. `why` says what is missing, without the
/// names that were computed.
const Value* step(const Value& value, const Segment& segment, bool computed, std::string& why) {
  if (segment.is_index) {
    if (!value.is_array()) {
      why = "is " + std::string(kind_of(value)) + ", not a list";
      return nullptr;
    }
    const auto count = static_cast<std::int64_t>(value.items().size());
    const std::int64_t at = segment.index < 0 ? segment.index + count : segment.index;
    if (at >= 0 && at < count) return &value.items()[static_cast<std::size_t>(at)];
    why = "has " + std::to_string(count) + (count == 1 ? " item" : " items");
    return nullptr;
  }
  if (!value.is_object()) {
    why = "is " + std::string(kind_of(value)) + ", not an object";
    return nullptr;
  }
  const Value* found = value.find(segment.name);
  if (found == nullptr) why = computed ? "has no such key" : "has no key " + segment.name;
  return found;
}

}  // namespace

std::string Evaluator::source(const Node& node) const {
  std::string out = program_.text.substr(node.begin, node.end - node.begin);
  if (out.size() > kShown) {
    std::size_t cut = kShown;
    while (cut > 0 && (static_cast<unsigned char>(out[cut]) & 0xc0) == 0x80) --cut;
    out = out.substr(0, cut) + "...";
  }
  return out;
}

std::string Evaluator::source(NodeId id) const { return source(program_.nodes[id]); }

std::string Evaluator::prefix(const Node& node, const std::vector<Segment>& path,
                              std::size_t count) const {
  std::string out = node.kind == Node::Kind::Access ? source(node.kids[0]) : "";
  std::vector<Segment> fixed;
  for (std::size_t i = 0; i < count; ++i) {
    if (node.parts[i].computed == kNoNode) {
      const std::string one = to_string({path[i]});
      if (!out.empty() && one[0] != '[') out += '.';
      out += one;
    } else {
      out += "[" + source(node.parts[i].computed) + "]";
    }
  }
  return out;
}

bool Evaluator::is_computed(const Node& node, std::size_t count) const {
  return std::any_of(node.parts.begin(), node.parts.begin() + static_cast<std::ptrdiff_t>(count),
                     [](const PathPart& part) { return part.computed != kNoNode; });
}

bool Evaluator::missing_is_empty(const Node& node) const {
  return strict_ == 0 && (node.old || scope_.missing() == Scope::Missing::Empty);
}

tl::unexpected<Error> Evaluator::missing(const Node& node, const std::string& why) const {
  std::string message = source(node) + ": " + why;
  for (const PathPart& part : node.parts) {
    const std::size_t dash = part.segment.name.find('-');
    if (dash != std::string::npos && dash + 1 < part.segment.name.size() &&
        part.segment.name[dash + 1] >= '0' && part.segment.name[dash + 1] <= '9') {
      message += " (a subtraction needs blanks around its -)";
      break;
    }
  }
  return fail(Code::NotFound, message);
}

Result<Value> Evaluator::take(Item item) {
  if (!item.is_borrowed()) return std::move(item.owned());
  MR_TRY(meter_.produce(item.get()));
  return item.get();
}

Result<Item> Evaluator::eval_strict(NodeId id) {
  ++strict_;
  auto result = eval(id);
  --strict_;
  return result;
}

Result<Item> Evaluator::eval(NodeId id) {
  MR_TRY(meter_.work(1));
  const Node& node = program_.nodes[id];
  switch (node.kind) {
    case Node::Kind::Literal:
      return Item(&node.literal);
    case Node::Kind::Path:
      return path(node);
    case Node::Kind::Access:
      return access(node);
    case Node::Kind::List:
      return list(node);
    case Node::Kind::Object:
      return object(node);
    case Node::Kind::Not: {
      MR_ASSIGN(const bool value, condition(node.kids[0], "`!`"));
      return Item(Value(!value));
    }
    case Node::Kind::Negate: {
      MR_ASSIGN(const Item value, eval(node.kids[0]));
      auto result = calculate(Op::Subtract, Value(0), value.get(), meter_);
      if (!result.ok()) return fail(std::move(result).with("`" + source(node) + "`").error());
      return Item(*std::move(result));
    }
    case Node::Kind::And:
    case Node::Kind::Or:
      return logic(node);
    case Node::Kind::Compare:
      return compare(node);
    case Node::Kind::Arithmetic:
      return arithmetic(node);
    case Node::Kind::Choose: {
      MR_ASSIGN(const bool yes, condition(node.kids[0], "`?`"));
      return eval(node.kids[yes ? 1 : 2]);
    }
    case Node::Kind::Call:
      return node.function->kind == Function::Kind::Plain ? call(node) : special_call(node);
  }
  return fail(Code::Bug, "an expression of unknown kind");
}

Result<std::vector<Segment>> Evaluator::segments(const Node& node) {
  std::vector<Segment> out;
  out.reserve(node.parts.size());
  for (const PathPart& part : node.parts) {
    if (part.computed == kNoNode) {
      out.push_back(part.segment);
      continue;
    }
    MR_ASSIGN(const Item item, eval(part.computed));
    if (item.get().is_string()) {
      MR_TRY(meter_.produce(item.get().as_string().size()));
      out.push_back(Segment::named(item.get().as_string()));
    } else if (item.get().is_int()) {
      out.push_back(Segment::at(item.get().as_int()));
    } else {
      return fail(Code::Invalid, source(node) + ": `" + source(part.computed) + "` is " +
                                     std::string(kind_of(item.get())) +
                                     "; an index is an integer or text");
    }
  }
  return out;
}

Result<Item> Evaluator::path(const Node& node) {
  MR_ASSIGN(const std::vector<Segment> names, segments(node));
  auto found = scope_.find(names);
  if (!found.ok()) {
    if (found.error().code == Code::NotFound) {
      if (missing_is_empty(node)) return Item(Value(""));
      // The scope's message may repeat the computed names, which are values.
      if (is_computed(node, node.parts.size())) return missing(node, "there is no such value");
      return missing(node, found.error().message);
    }
    return fail(std::move(found).with(source(node)).error());
  }
  MR_CHECK(found->used() >= 1 && found->used() <= names.size());
  Item item =
      found->borrowed() != nullptr ? Item(found->borrowed()) : Item(std::move(found->owned()));
  if (!item.is_borrowed()) MR_TRY(meter_.produce(item.get()));
  return walk(node, std::move(item), names, found->used());
}

Result<Item> Evaluator::access(const Node& node) {
  MR_ASSIGN(Item base, eval(node.kids[0]));
  MR_ASSIGN(const std::vector<Segment> names, segments(node));
  return walk(node, std::move(base), names, 0);
}

Result<Item> Evaluator::walk(const Node& node, Item from, const std::vector<Segment>& path,
                             std::size_t used) {
  const Value* at = &from.get();
  std::string why;
  for (std::size_t i = used; i < path.size(); ++i) {
    MR_TRY(meter_.work(1 + at->members().size() / 4));
    const Value* next = step(*at, path[i], node.parts[i].computed != kNoNode, why);
    if (next == nullptr) {
      if (missing_is_empty(node)) return Item(Value(""));
      return missing(node, prefix(node, path, i) + " " + why);
    }
    at = next;
  }
  if (node.old && at->is_null() && strict_ == 0) return Item(Value(""));
  if (at == &from.get()) return from;
  if (from.is_borrowed()) return Item(at);
  // Our own value: the part is moved out, the rest dropped.
  Value part = std::move(*const_cast<Value*>(at));
  return Item(std::move(part));
}

Result<Item> Evaluator::list(const Node& node) {
  Value::Array items;
  for (const NodeId kid : node.kids) {
    MR_ASSIGN(Item item, eval(kid));
    MR_TRY(meter_.produce(kItemBytes));
    MR_ASSIGN(Value value, take(std::move(item)));
    items.push_back(std::move(value));
  }
  Value result(std::move(items));
  MR_TRY(meter_.produce(result));  // of the whole: size and depth
  return Item(std::move(result));
}

Result<Item> Evaluator::object(const Node& node) {
  Value::Object members;
  for (std::size_t i = 0; i + 1 < node.kids.size(); i += 2) {
    MR_ASSIGN(Item item, eval(node.kids[i + 1]));
    MR_TRY(meter_.produce(2 * kItemBytes));
    MR_ASSIGN(Value value, take(std::move(item)));
    members.emplace_back(program_.nodes[node.kids[i]].literal.as_string(), std::move(value));
  }
  Value result(std::move(members));
  MR_TRY(meter_.produce(result));
  return Item(std::move(result));
}

Result<bool> Evaluator::condition(NodeId id, std::string_view what) {
  MR_ASSIGN(const Item item, eval(id));
  if (item.get().is_bool()) return item.get().as_bool();
  std::string message = std::string(what) + " needs a boolean; `" + source(id) + "` is " +
                        std::string(kind_of(item.get())) + "; compare it";
  if (item.get().is_string()) message += ", such as `!= ''`, or convert it with `| bool`";
  if (item.get().is_number()) message += ", such as `!= 0`";
  if (item.get().is_null()) message += ", such as `!= null`, or add `| default(false)`";
  return fail(Code::Invalid, message);
}

Result<Item> Evaluator::logic(const Node& node) {
  const bool is_or = node.kind == Node::Kind::Or;
  for (const NodeId kid : node.kids) {
    MR_ASSIGN(const bool value, condition(kid, is_or ? "`||`" : "`&&`"));
    if (value == is_or) return Item(Value(is_or));
  }
  return Item(Value(!is_or));
}

Result<Item> Evaluator::compare(const Node& node) {
  MR_ASSIGN(const Item left, eval(node.kids[0]));
  MR_ASSIGN(const Item right, eval(node.kids[1]));
  auto result = expression::compare(node.ops[0], left.get(), right.get(), meter_);
  if (!result.ok()) return fail(std::move(result).with("`" + source(node) + "`").error());
  return Item(Value(*result));
}

Result<Item> Evaluator::arithmetic(const Node& node) {
  MR_ASSIGN(Item sum, eval(node.kids[0]));
  for (std::size_t i = 0; i < node.ops.size(); ++i) {
    MR_ASSIGN(const Item next, eval(node.kids[i + 1]));
    auto result = calculate(node.ops[i], sum.get(), next.get(), meter_);
    if (!result.ok()) return fail(std::move(result).with("`" + source(node) + "`").error());
    sum = Item(*std::move(result));
  }
  return sum;
}

Result<Item> Evaluator::call(const Node& node) {
  std::vector<Item> arguments;
  arguments.reserve(node.kids.size());
  for (const NodeId kid : node.kids) {
    MR_ASSIGN(Item item, eval(kid));
    arguments.push_back(std::move(item));
  }
  Call one{node.function->name, source(node.kids[0]), arguments, meter_};
  return node.function->apply(one);
}

Result<Item> Evaluator::first_present(const Node& node) {
  for (std::size_t i = 0; i < node.kids.size(); ++i) {
    const bool last = i + 1 == node.kids.size();
    const bool may_miss = !last || node.function->kind == Function::Kind::Coalesce;
    auto item = may_miss ? eval_strict(node.kids[i]) : eval(node.kids[i]);
    if (!item.ok() && (!may_miss || item.error().code != Code::NotFound)) return item;
    if (item.ok() && (last || !item->get().is_null())) return item;
  }
  return Item();
}

Result<Item> Evaluator::special_call(const Node& node) {
  switch (node.function->kind) {
    case Function::Kind::Default:
    case Function::Kind::Coalesce:
      return first_present(node);
    case Function::Kind::Exists: {
      const auto item = eval_strict(node.kids[0]);
      if (!item.ok() && item.error().code != Code::NotFound) return item;
      return Item(Value(item.ok()));
    }
    case Function::Kind::OldAnd:
    case Function::Kind::OldOr: {
      const bool is_or = node.function->kind == Function::Kind::OldOr;
      for (std::size_t i = 0;; ++i) {
        MR_ASSIGN(Item item, eval(node.kids[i]));
        if (i + 1 == node.kids.size() || old_truth(item.get()) == is_or) return item;
      }
    }
    case Function::Kind::OldDefault: {
      auto item = eval_strict(node.kids[1]);
      if (!item.ok() && item.error().code != Code::NotFound) return item;
      const bool empty = !item.ok() || item->get().is_null() ||
                         (item->get().is_string() && item->get().as_string().empty());
      return empty ? eval(node.kids[0]) : item;
    }
    case Function::Kind::Plain:
      break;
  }
  return fail(Code::Bug, "a function of unknown kind");
}

Result<Value> Evaluator::typed(const Part& part) {
  MR_ASSIGN(Item item, eval(part.node));
  return take(std::move(item));
}

Result<std::string> Evaluator::action_text(const Part& part) {
  MR_ASSIGN(const Item item, eval(part.node));
  if (part.use == Part::Use::OldJson && !item.get().is_string()) {
    return text_of(item.get(), "", meter_);
  }
  if (part.use == Part::Use::OldJson) {
    MR_TRY(meter_.produce(item.get().as_string().size() * 6 + 2));
    return item.get().dump();
  }
  if (part.use != Part::Use::Typed) return old_text_of(item.get(), meter_);
  return text_of(item.get(), source(part.node), meter_);
}

Result<> Evaluator::text(const std::vector<Part>& parts, std::string& out) {
  for (const Part& part : parts) {
    switch (part.kind) {
      case Part::Kind::Text:
        MR_TRY(meter_.read(part.text.size()));
        out += part.text;
        break;
      case Part::Kind::Action: {
        MR_ASSIGN(const std::string piece, action_text(part));
        out += piece;
        break;
      }
      case Part::Kind::If:
        for (const Branch& branch : part.branches) {
          bool holds = branch.condition == kNoNode;
          if (!holds) {
            MR_ASSIGN(const Item item, eval(branch.condition));
            holds = old_truth(item.get());
          }
          if (!holds) continue;
          MR_TRY(text(branch.parts, out));
          break;
        }
        break;
    }
  }
  return {};
}

Result<Value> Evaluator::action(const Part& part) {
  if (part.use != Part::Use::OldText) return typed(part);
  MR_ASSIGN(std::string out, action_text(part));
  return Value(std::move(out));
}

Result<Value> Evaluator::whole() {
  if (program_.parts.size() == 1 && program_.parts[0].kind == Part::Kind::Action) {
    return action(program_.parts[0]);
  }
  std::string out;
  MR_TRY(text(program_.parts, out));
  // Literal text came with the document and may be as long as it is there.
  const bool literal = std::ranges::all_of(
      program_.parts, [](const Part& part) { return part.kind == Part::Kind::Text; });
  if (!literal) MR_TRY(meter_.produce(out.size()));
  return Value(std::move(out));
}

}  // namespace millrace::expression
