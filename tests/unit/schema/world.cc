#include "tests/unit/schema/world.h"

namespace millrace::schema {
namespace {

using codec::Value;

Value with_spec(std::string_view head, std::string_view spec, std::string_view more) {
  Value object = json(head);
  object["spec"] = json(spec);
  const Value changes = json(more);
  for (const auto& [name, value] : changes.members()) object["spec"][name] = value;
  return object;
}

}  // namespace

Value json(std::string_view text) {
  auto parsed = Value::parse(text);
  MR_CHECK(parsed.ok());
  return *std::move(parsed);
}

const Kind& kind_of(const Value& object) {
  const std::string& version = object.find("apiVersion")->as_string();
  const std::size_t slash = version.find('/');
  const std::string group = slash == std::string::npos ? "" : version.substr(0, slash);
  const Kind* kind = find_kind_by_name(group, "v1", object.find("kind")->as_string());
  MR_CHECK(kind != nullptr);
  return *kind;
}

Value pod(std::string_view spec) {
  return with_spec(R"({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}})",
                   R"({"containers": [{"name": "a", "image": "x:1"}]})", spec);
}

Value job(std::string_view spec) {
  return with_spec(R"({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}})",
                   R"({"template": {"spec": {"restartPolicy": "Never",
                       "containers": [{"name": "a", "image": "x:1"}]}}})",
                   spec);
}

Value deployment(std::string_view spec) {
  return with_spec(R"({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}})",
                   R"({"selector": {"matchLabels": {"a": "b"}},
                       "template": {"metadata": {"labels": {"a": "b"}},
                                    "spec": {"containers": [{"name": "a", "image": "x:1"}]}}})",
                   spec);
}

Value service(std::string_view spec) {
  return with_spec(R"({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}})",
                   R"({"ports": [{"port": 80}]})", spec);
}

Value stored(Value object) {
  const Kind& kind = kind_of(object);
  const auto fitted = fit(object, kind);
  MR_CHECK(fitted.ok());
  apply_defaults(object, kind);
  return object;
}

std::vector<std::string> problems(const Value& object) {
  std::vector<std::string> list;
  for (const Problem& problem : validate(stored(object), nullptr, kind_of(object))) {
    list.push_back(problem.field + " " + problem.reason + " " + problem.message);
  }
  return list;
}

}  // namespace millrace::schema
