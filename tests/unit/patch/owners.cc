#include "tests/unit/patch/owners.h"

#include <gtest/gtest.h>

#include <utility>

#include "kubeclient/base/time_format.h"
#include "local/schema/kinds.h"

namespace millrace::patch {

using codec::Value;

namespace {

std::string text(const Value& object, std::string_view key) {
  const Value* found = object.find(key);
  return found == nullptr ? std::string() : found->as_string();
}

Manager manager_of(const Value& object, std::string_view name, std::string_view subresource) {
  return {std::string(name), text(object, "apiVersion"), std::string(subresource)};
}

}  // namespace

const schema::Type& type_of(const Value& object) {
  const std::string api_version = text(object, "apiVersion");
  const auto slash = api_version.find('/');
  const std::string group = slash == std::string::npos ? "" : api_version.substr(0, slash);
  const schema::Kind* kind = schema::find_kind_by_name(
      group, slash == std::string::npos ? api_version : api_version.substr(slash + 1),
      text(object, "kind"));
  MR_CHECK(kind != nullptr);
  return *kind->type;
}

Time at_second(int second) {
  return *parse_time("2026-11-21T08:00:00Z") + std::chrono::seconds(second);
}

std::vector<std::string> owners(const Value& object) {
  std::vector<std::string> lines;
  const Value* fields = object.at_path({"metadata", "managedFields"});
  if (fields == nullptr) return lines;
  for (const Value& entry : fields->items()) {
    std::string line = text(entry, "manager");
    if (entry.find("subresource") != nullptr) line += "/" + text(entry, "subresource");
    line += " " + text(entry, "operation") + " " + text(entry, "apiVersion");
    if (const auto time = parse_time(text(entry, "time")); time.ok()) {
      const auto passed = std::chrono::duration_cast<std::chrono::seconds>(*time - at_second(0));
      line += " @" + std::to_string(passed.count());
    }
    lines.push_back(line + ": " + entry.find("fieldsV1")->dump());
  }
  return lines;
}

Value updated(const Value* before, Value now, std::string_view manager, int second,
              std::string_view subresource) {
  const schema::Type& type = type_of(now);
  const Manager who = manager_of(now, manager, subresource);
  track_update(now, before, type, who, at_second(second));
  return now;
}

Applied applied(const Value* live, const Value& body, std::string_view manager, bool force,
                int second, std::string_view subresource) {
  auto result = apply(live, body, type_of(body), manager_of(body, manager, subresource), force,
                      at_second(second));
  EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().message) << " for " << body.dump();
  return result.ok() ? *std::move(result) : Applied();
}

}  // namespace millrace::patch
