/// The manifests under tests/golden/manifests, which the cluster tests also show to a real API
/// server: both must come to the same verdict.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "crds/validate.h"
#include "kubeclient/codec/yaml.h"

namespace millrace::crds {
namespace {

struct Manifest {
  std::string name;
  std::string text;
  std::string expect;  ///< the first line, without "# "
  std::string path() const { return expect.substr(0, expect.find(" | ")); }
  std::string message() const { return expect.substr(expect.find(" | ") + 3); }
};

std::vector<Manifest> manifests(const std::string& folder) {
  std::vector<Manifest> all;
  const std::string root = "tests/golden/manifests/" + folder;
  for (const auto& entry : std::filesystem::directory_iterator(root)) {
    std::ifstream in(entry.path());
    std::stringstream text;
    text << in.rdbuf();
    const std::string content = text.str();
    all.push_back({entry.path().filename(), content,
                   content.substr(2, std::max<std::size_t>(content.find('\n'), 2) - 2)});
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  EXPECT_GT(all.size(), 8U) << root;
  return all;
}

std::string print(const std::vector<Finding>& findings) {
  std::string text;
  for (const Finding& finding : findings) text += to_string(finding) + "\n";
  return text;
}

TEST(Manifests, AreAccepted) {
  for (const Manifest& m : manifests("accept")) {
    const auto findings = validate_manifest(m.text, m.name);
    EXPECT_TRUE(findings.empty()) << print(findings);
  }
}

TEST(Manifests, AreRefusedForTheReasonInTheirFirstLine) {
  for (const Manifest& m : manifests("refuse")) {
    const auto findings = validate_manifest(m.text, m.name);
    ASSERT_EQ(findings.size(), 1U) << m.name << "\n" << print(findings);
    const std::string said = to_string(findings.front());
    EXPECT_NE(said.find(m.path()), std::string::npos) << said << "\nwanted: " << m.expect;
    EXPECT_NE(said.find(m.message()), std::string::npos) << said << "\nwanted: " << m.expect;
    EXPECT_EQ(findings.front().severity, Severity::Error) << said;
    EXPECT_GT(findings.front().line, 0) << said;
  }
}

TEST(Manifests, UpdatesAreJudgedByBothVersions) {
  for (const Manifest& m : manifests("update")) {
    const auto documents = codec::parse_yaml_documents(m.text, m.name);
    ASSERT_TRUE(documents.ok()) << documents.error().message;
    ASSERT_EQ(documents->size(), 2U) << m.name;
    const codec::Value& before = documents->front().value;
    const codec::Value& after = documents->back().value;
    EXPECT_TRUE(check_object(before).empty()) << m.name;
    const auto errors = check_object(after, &before);
    if (m.expect == "accepted") {
      EXPECT_TRUE(errors.empty()) << m.name << ": " << codec::to_string(errors.front());
      continue;
    }
    ASSERT_EQ(errors.size(), 1U) << m.name;
    EXPECT_EQ(codec::to_string(errors.front()), m.path() + ": " + m.message()) << m.name;
  }
}

}  // namespace
}  // namespace millrace::crds
