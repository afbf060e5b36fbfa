#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "crds/custom_resource.h"

namespace millrace::crds {
namespace {

TEST(GeneratedFiles, AreUpToDate) {
  for (const GeneratedFile& file : generated_files()) {
    std::ifstream in(file.path, std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    // One line instead of a long difference.
    EXPECT_TRUE(in.good() && text.str() == file.content)
        << file.path << " is stale: run scripts/generate and commit what it changes";
  }
}

TEST(GeneratedFiles, TheDefinitionsTogetherAreWhatTheCommandPrints) {
  std::string all;
  for (const KindInfo& kind : kinds()) all += (all.empty() ? "" : "---\n") + crd_yaml(kind);
  EXPECT_EQ(crd_yaml(), all);
}

}  // namespace
}  // namespace millrace::crds
