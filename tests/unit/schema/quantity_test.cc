#include "local/schema/quantity.h"

#include <gtest/gtest.h>

namespace millrace::schema {
namespace {

TEST(Quantity, IsWrittenAsTheServerWritesIt) {
  const struct {
    const char* text;
    const char* want;
  } cases[] = {
      {"0.5", "500m"},
      {"1.5Ki", "1536"},
      {"0.5Ki", "512"},
      {"1000", "1k"},
      {"1000m", "1"},
      {"1024", "1024"},
      {"1024Ki", "1Mi"},
      {"1e3", "1e3"},
      {"12e6", "12e6"},
      {"1E", "1E"},
      {".5", "500m"},
      {"+5", "+5"},
      {"0", "0"},
      {"0.1n", "1m"},
      {"1.5Gi", "1536Mi"},
      {"1500Mi", "1500Mi"},
      {"0.0001", "1m"},
      {"1e-3", "1e-3"},
      {"1.1Ki", "1126400m"},
      {"Ki", "0"},
      {"-5", "-5"},
      {"1n", "1m"},
      {"100000000000", "100G"},
      {"123456789123456789123", "123456789123456789123"},
      {"1e", "unable to parse quantity's suffix"},
      {"1Kii", "unable to parse quantity's suffix"},
  };
  for (const auto& c : cases) {
    const auto got = canonical_quantity(c.text, true);
    EXPECT_EQ(got.ok() ? *got : got.error().message, c.want) << c.text;
  }
  EXPECT_FALSE(canonical_quantity("", true).ok());
  EXPECT_FALSE(canonical_quantity("one", true).ok());
}

TEST(Quantity, ComparesAcrossUnits) {
  EXPECT_EQ(parse_quantity("1500m")->nano, parse_quantity("1.5")->nano);
  EXPECT_EQ(parse_quantity("1Ki")->nano, parse_quantity("1024")->nano);
  EXPECT_LT(parse_quantity("1G")->nano, parse_quantity("1Gi")->nano);
  EXPECT_LT(parse_quantity("-1")->nano, parse_quantity("0")->nano);
  EXPECT_GT(parse_quantity("1e99")->nano, parse_quantity("1E")->nano);
}

}  // namespace
}  // namespace millrace::schema
