#include "local/schema/openapi.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/unit/schema/world.h"

namespace millrace::schema {
namespace {

using codec::Value;

Value body(const Document* document) {
  MR_CHECK(document != nullptr);
  return json(document->body);
}

/// Every "$ref" below a value.
void references(const Value& value, std::set<std::string>& out) {
  for (const Value& item : value.items()) references(item, out);
  for (const auto& [key, member] : value.members()) {
    if (key == "$ref") out.insert(member.as_string());
    references(member, out);
  }
}

TEST(Discovery, ListsEachKindAndItsParts) {
  const Value core = body(discovery_document("/api/v1"));
  std::vector<std::string> names;
  for (const Value& resource : core.find("resources")->items()) {
    names.push_back(resource.find("name")->as_string());
  }
  EXPECT_EQ(names, (std::vector<std::string>{"configmaps", "events", "namespaces",
                                             "namespaces/status", "nodes", "nodes/status", "pods",
                                             "pods/log", "pods/status", "secrets",
                                             "serviceaccounts", "services", "services/status"}));
  for (const Kind& kind : kinds()) {
    const std::string root = kind.resource.group.empty() ? "/api/" : "/apis/";
    EXPECT_NE(discovery_document(root + kind.resource.api_version()), nullptr);
  }
  EXPECT_EQ(discovery_document("/apis/nothing"), nullptr);
  EXPECT_EQ(body(aggregated_document("/apis")).find("items")->items().size(), 5u);
}

TEST(OpenApi, HasWhatKubectlLooksFor) {
  const Value index = body(openapi_document("/openapi/v3"));
  for (const auto& [name, entry] : index.find("paths")->members()) {
    const Value document = body(openapi_document("/openapi/v3/" + name));
    const Value* schemas = document.at_path({"components", "schemas"});
    std::set<std::string> used;
    references(document, used);
    for (const std::string& reference : used) {
      EXPECT_NE(schemas->find(reference.substr(std::string("#/components/schemas/").size())),
                nullptr)
          << reference;
    }
    int patches = 0;
    for (const auto& [path, operations] : document.find("paths")->members()) {
      const Value* patch = operations.find("patch");
      if (patch == nullptr) continue;
      ++patches;
      EXPECT_NE(patch->find("x-kubernetes-group-version-kind"), nullptr) << path;
      EXPECT_NE(patch->dump().find("\"fieldValidation\""), std::string::npos) << path;
    }
    EXPECT_GT(patches, 0) << name;
  }
}

TEST(OpenApi, HasAVersion2WithoutKinds) {
  const Value document = body(openapi_document("/openapi/v2"));
  EXPECT_EQ(document.find("swagger")->as_string(), "2.0");
  EXPECT_TRUE(document.find("definitions")->members().empty());
  EXPECT_EQ(openapi_v2_message().body,
            "\x0a\x03"
            "2.0"
            "\x12\x13"
            "\x0a\x08"
            "Millrace"
            "\x12\x07"
            "v1.34.4"
            "\x42" +
                std::string(1, '\0'));
}

TEST(OpenApi, DescribesOwnKindsByTheirSchemas) {
  const Value document = body(openapi_document("/openapi/v3/apis/millrace.dev/v1"));
  const Value* spec = document.at_path(
      {"components", "schemas", "dev.millrace.v1.PipelineRun", "properties", "spec"});
  ASSERT_NE(spec, nullptr);
  EXPECT_EQ(spec->find("required")->dump(), "[\"refPipeline\"]");
}

}  // namespace
}  // namespace millrace::schema
