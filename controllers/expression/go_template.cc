#include "controllers/expression/go_template.h"

#include <algorithm>
#include <utility>

#include "controllers/expression/go_template_ast.h"
#include "controllers/expression/go_template_eval.h"

namespace millrace::expression {
namespace {

using codec::Value;

constexpr std::size_t kDeepestDocument = 100;

/// Where in a document: names of members and places in lists, written only when it is needed.
class Place {
 public:
  Place() = default;
  Place(const Place& in, std::string_view name) : in_(&in), name_(name), depth_(in.depth_ + 1) {}
  Place(const Place& in, std::size_t index)
      : in_(&in), index_(index), is_index_(true), depth_(in.depth_ + 1) {}

  std::size_t depth() const { return depth_; }
  std::string path() const {
    if (in_ == nullptr) return {};
    std::string out = in_->path();
    if (is_index_) return out + "[" + std::to_string(index_) + "]";
    if (!out.empty()) out += '.';
    return out + gotmpl::shown(name_);
  }
  tl::unexpected<Error> refuse(const std::string& message) const {
    const std::string where = path();
    return fail(Code::Invalid, where.empty() ? message : where + ": " + message);
  }
  tl::unexpected<Error> too_deep() const {
    return refuse("nested more than " + std::to_string(kDeepestDocument) + " deep");
  }

 private:
  const Place* in_ = nullptr;
  std::string_view name_;
  std::size_t index_ = 0;
  bool is_index_ = false;
  std::size_t depth_ = 0;
};

bool is_plain(std::string_view text) { return text.find("{{") == std::string_view::npos; }

class Renderer {
 public:
  explicit Renderer(gotmpl::Machine& machine) : machine_(machine) {}

  Result<Value> value(const Value& from, const Place& place) {
    if (place.depth() > kDeepestDocument) return place.too_deep();
    if (from.is_string()) return text(from.as_string(), place);
    if (from.is_array()) return list(from, place);
    if (from.is_object()) return object(from, place);
    return from;
  }

 private:
  Result<Value> text(const std::string& from, const Place& place) {
    if (is_plain(from)) {
      if (machine_.spend(1 + from.size() / 64, 0) && machine_.write(from.size(), 0)) return from;
      return place.refuse(machine_.error().message);
    }
    const Result<gotmpl::Program> program = gotmpl::parse(from);
    if (!program.ok()) return place.refuse(program.error().message);
    Result<Value> out = gotmpl::evaluate(*program, machine_);
    if (!out.ok()) return place.refuse(out.error().message);
    return out;
  }

  Result<Value> list(const Value& from, const Place& place) {
    Value::Array out;
    out.reserve(from.items().size());
    for (const Value& item : from.items()) {
      MR_ASSIGN(Value next, value(item, Place(place, out.size())));
      out.push_back(std::move(next));
    }
    return Value(std::move(out));
  }

  Result<Value> object(const Value& from, const Place& place) {
    Value::Object out;
    out.reserve(from.members().size());
    bool templated = false;
    for (const auto& [name, member] : from.members()) {
      const Place inside(place, name);
      MR_ASSIGN(Value key, text(name, inside));
      templated = templated || !is_plain(name);
      MR_ASSIGN(Value next, value(member, inside));
      out.emplace_back(key.is_string() ? key.as_string() : key.dump(), std::move(next));
    }
    if (templated) {
      std::vector<std::string_view> keys;
      for (const auto& [key, member] : out) keys.push_back(key);
      std::sort(keys.begin(), keys.end());
      if (std::adjacent_find(keys.begin(), keys.end()) != keys.end()) {
        return place.refuse("two of the keys become equal");
      }
    }
    return Value(std::move(out));
  }

  gotmpl::Machine& machine_;
};

void collect(const Value& from, const Place& place, std::vector<GoField>& out) {
  if (place.depth() > kDeepestDocument) {
    out.push_back({place.path(), place.too_deep()});
    return;
  }
  if (from.is_string() && !is_plain(from.as_string())) {
    out.push_back({place.path(), GoTemplate::parse(from.as_string())});
  }
  for (std::size_t i = 0; i < from.items().size(); ++i)
    collect(from.items()[i], Place(place, i), out);
  for (const auto& [name, member] : from.members()) {
    if (!is_plain(name)) out.push_back({place.path(), GoTemplate::parse(name)});
    collect(member, Place(place, name), out);
  }
}

}  // namespace

GoTemplate::GoTemplate() : program_(std::make_shared<const gotmpl::Program>()) {}

Result<GoTemplate> GoTemplate::parse(std::string_view text) {
  MR_ASSIGN(gotmpl::Program program, gotmpl::parse(text));
  return GoTemplate(std::make_shared<const gotmpl::Program>(std::move(program)));
}

bool GoTemplate::is_literal() const { return program_->literal; }
bool GoTemplate::is_single_action() const { return program_->single_action; }
const std::vector<GoTemplate::Reference>& GoTemplate::references() const {
  return program_->references;
}

Result<Value> GoTemplate::render(const Value& root, const Limits& limits, Spelling spelling) const {
  gotmpl::Machine machine(root, limits, spelling);
  return gotmpl::evaluate(*program_, machine);
}

Result<Value> render_document(const Value& document, const Value& root,
                              const GoTemplate::Limits& limits, GoTemplate::Spelling spelling) {
  gotmpl::Machine machine(root, limits, spelling);
  return Renderer(machine).value(document, Place());
}

std::vector<GoField> go_templates_of(const Value& document) {
  std::vector<GoField> out;
  collect(document, Place(), out);
  return out;
}

}  // namespace millrace::expression
