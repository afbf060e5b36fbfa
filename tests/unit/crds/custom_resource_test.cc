#include "crds/custom_resource.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "crds/rules.h"
#include "kubeclient/codec/yaml.h"

namespace millrace::crds {
namespace {

using codec::Value;

/// Call `visit` for `schema` and each schema below it, with its path.
void walk(const Value& schema, const std::string& path,
          const std::function<void(const Value&, const std::string&)>& visit) {
  visit(schema, path);
  if (const Value* properties = schema.find("properties")) {
    for (const auto& [name, property] : properties->members()) {
      walk(property, path + "." + name, visit);
    }
  }
  for (const char* key : {"items", "additionalProperties"}) {
    if (const Value* item = schema.find(key)) walk(*item, path + "[]", visit);
  }
}

TEST(CustomResource, IsReadBackFromItsYaml) {
  for (const KindInfo& kind : kinds()) {
    const auto documents = codec::parse_yaml_documents(crd_yaml(kind));
    ASSERT_TRUE(documents.ok()) << documents.error().message;
    ASSERT_EQ(documents->size(), 1U);
    EXPECT_EQ(documents->front().value, custom_resource(kind));
  }
}

TEST(CustomResource, FitsPlainKubectlApply) {
  // kubectl apply keeps the whole object in an annotation of at most 262,144 bytes.
  for (const KindInfo& kind : kinds()) {
    EXPECT_LT(custom_resource(kind).dump().size(), 60000U) << kind.resource.kind;
  }
}

TEST(CustomResource, NamesAreWhatUsersType) {
  const struct {
    const char* kind;
    const char* name;
    const char* short_name;
    const char* columns;
  } cases[] = {
      {"Pipeline", "pipelines.millrace.dev", "pl",
       "Ready Reason Schedule Suspend Last Next Idle Age +Zone +Revision +Message"},
      {"PipelineRun", "pipelineruns.millrace.dev", "plr",
       "Pipeline Status Steps Retries Started Duration +Message +Revision"},
  };
  for (const auto& c : cases) {
    const KindInfo* kind = find_kind(c.kind);
    ASSERT_NE(kind, nullptr) << c.kind;
    const Value crd = custom_resource(*kind);
    EXPECT_EQ(crd.at_path({"metadata", "name"})->as_string(), c.name);
    EXPECT_EQ(crd.at_path({"spec", "names", "shortNames"})->dump(),
              "[\"" + std::string(c.short_name) + "\"]");
    EXPECT_EQ(crd.at_path({"spec", "names", "categories"})->dump(), "[\"all\"]");
    const Value& version = crd.at_path({"spec", "versions"})->items().front();
    EXPECT_NE(version.at_path({"subresources", "status"}), nullptr) << c.kind;
    std::string columns;
    for (const Value& column : version.find("additionalPrinterColumns")->items()) {
      const bool wide = column.find("priority") != nullptr;
      columns += (columns.empty() ? "" : " ") + std::string(wide ? "+" : "") +
                 column.find("name")->as_string();
    }
    EXPECT_EQ(columns, c.columns);
  }
  EXPECT_EQ(find_kind("Job"), nullptr);
}

TEST(CustomResource, EveryRuleHasItsMeaningInCppAndAMessage) {
  std::set<std::string> in_schemas;
  for (const KindInfo& kind : kinds()) {
    walk(kind.schema, "", [&](const Value& schema, const auto& path) {
      const Value* rules = schema.find("x-kubernetes-validations");
      if (rules == nullptr) return;
      for (const Value& rule : rules->items()) {
        const std::string& text = rule.find("rule")->as_string();
        in_schemas.insert(text);
        EXPECT_TRUE(rule_table().contains(text)) << path << ": " << text;
        EXPECT_FALSE(rule.find("message")->as_string().empty()) << path << ": " << text;
      }
    });
  }
  for (const auto& [text, check] : rule_table()) {
    EXPECT_TRUE(in_schemas.contains(text)) << "no schema has the rule " << text;
  }
}

TEST(CustomResource, EveryFieldOfTheSpecIsExplained) {
  for (const KindInfo& kind : kinds()) {
    const Value* spec = kind.schema.at_path({"properties", "spec"});
    for (const auto& [name, field] : spec->find("properties")->members()) {
      EXPECT_NE(field.find("description"), nullptr) << kind.resource.kind << ".spec." << name;
    }
  }
}

TEST(CustomResource, ListsOfTheSpecAreBounded) {
  // The API server budgets the cost of rules by the most entries a list can have.
  for (const KindInfo& kind : kinds()) {
    walk(*kind.schema.at_path({"properties", "spec"}), "spec",
         [](const Value& schema, const std::string& path) {
           const Value* type = schema.find("type");
           if (type == nullptr) return;
           if (type->as_string() == "array") {
             EXPECT_NE(schema.find("maxItems"), nullptr) << path;
           }
           if (schema.find("additionalProperties") != nullptr) {
             EXPECT_NE(schema.find("maxProperties"), nullptr) << path;
           }
         });
  }
}

TEST(ReferencePage, NamesEveryFieldAndRule) {
  for (const KindInfo& kind : kinds()) {
    const std::string page = reference_page(kind);
    walk(kind.schema, "", [&](const Value& schema, const std::string& path) {
      if (const Value* properties = schema.find("properties")) {
        for (const auto& [name, field] : properties->members()) {
          if (field.find("description") == nullptr) continue;
          EXPECT_NE(page.find(name), std::string::npos) << path << "." << name;
        }
      }
    });
    EXPECT_NE(page.find("## spec"), std::string::npos);
  }
  const std::string page = reference_page(*find_kind("Pipeline"));
  EXPECT_NE(page.find("give exactly one body"), std::string::npos);
  EXPECT_NE(page.find("| `replicas` | integer | `1` | 0 to 10000 |"), std::string::npos) << page;
}

}  // namespace
}  // namespace millrace::crds
