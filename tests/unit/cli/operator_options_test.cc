#include "operator/cli/operator_options.h"

#include <gtest/gtest.h>

namespace millrace::cli {
namespace {

TEST(ParseListenAddress, Accepts) {
  const struct {
    const char* text;
    std::optional<ListenAddress> want;
  } cases[] = {
      {"", std::nullopt},
      {"0", std::nullopt},
      {":8080", ListenAddress{"", 8080}},
      {":0", ListenAddress{"", 0}},
      {"127.0.0.1:65535", ListenAddress{"127.0.0.1", 65535}},
      {"localhost:80", ListenAddress{"localhost", 80}},
      {"[::1]:80", ListenAddress{"::1", 80}},
      {"[::]:80", ListenAddress{"::", 80}},
  };
  for (const auto& c : cases) {
    const auto got = parse_listen_address(c.text);
    ASSERT_TRUE(got.ok()) << c.text;
    EXPECT_TRUE(*got == c.want) << c.text;
  }
}

TEST(ParseListenAddress, Refuses) {
  for (const char* text : {"8080", "localhost", ":", ":65536", ":-1", ":80x", ":x", "::1", "::1:80",
                           "[]:80", "[::1]", "[::1:80", "a:b:80"}) {
    const auto got = parse_listen_address(text);
    ASSERT_FALSE(got.ok()) << text;
    EXPECT_EQ(got.error().code, Code::Invalid) << text;
    EXPECT_NE(got.error().message.find("write :PORT"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace millrace::cli
