#include "kubeclient/client/pem.h"

#include <gtest/gtest.h>

#include "tests/support/test_certificates.h"

namespace millrace::client {

using namespace std::chrono_literals;

TEST(Base64, DecodesTheStandardForm) {
  const struct {
    const char* name;
    std::string text;
    std::optional<std::string> want;
  } cases[] = {
      {"empty", "", ""},
      {"one byte", "Zg==", "f"},
      {"two bytes", "Zm8=", "fo"},
      {"three bytes", "Zm9v", "foo"},
      {"line ends inside", "Zm9v\nYmFy\r\n", "foobar"},
      {"all bits", "//79/A==", std::string("\xff\xfe\xfd\xfc")},
      {"padding missing", "Zg", std::nullopt},
      {"padding too long", "Zm9v=", std::nullopt},
      {"padding inside", "Zg==Zg==", std::nullopt},
      {"one character left over", "Zm9vY", std::nullopt},
      {"URL alphabet", "__79_A==", std::nullopt},
      {"other characters", "Zm9v!", std::nullopt},
  };
  for (const auto& c : cases) EXPECT_EQ(decode_base64(c.text), c.want) << c.name;
  for (std::size_t size = 0; size < 70; ++size) {
    std::string bytes;
    for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>(i * 37 + size);
    EXPECT_EQ(decode_base64(encode_base64(bytes)), bytes) << size;
  }
}

TEST(CheckKeyPair, SaysWhatIsWrong) {
  const auto authority = support::make_authority("ca");
  const auto good = support::issue(authority, {.common_name = "me"});
  const auto other = support::issue(authority, {.common_name = "other"});
  const auto old = support::issue(authority, {.valid_until = -1min});
  const Time now = SystemClock().now();
  const struct {
    const char* name;
    std::string certificate;
    std::string key;
    const char* says;  // "" is fine
  } cases[] = {
      {"fine", good.certificate, good.key, ""},
      {"chain", good.certificate + authority.certificate, good.key, ""},
      {"key of another", good.certificate, other.key, "do not belong together"},
      {"expired", old.certificate, old.key, "expired at 20"},
      {"no certificate", "nonsense", good.key, "no certificate in PEM form"},
      {"no key", good.certificate, "nonsense", "no private key in PEM form"},
      {"certificate where the key belongs", good.certificate, good.certificate, "no private key"},
      {"key with passphrase", good.certificate,
       "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
       "passphrase"},
  };
  for (const auto& c : cases) {
    const auto checked = check_key_pair(c.certificate, c.key, now);
    EXPECT_EQ(checked.ok(), *c.says == '\0') << c.name;
    if (checked.ok()) continue;
    EXPECT_EQ(checked.error().code, Code::Invalid);
    EXPECT_NE(checked.error().message.find(c.says), std::string::npos) << checked.error().message;
  }
}

TEST(CheckAuthority, WantsACertificate) {
  EXPECT_TRUE(check_authority(support::make_authority("ca").certificate).ok());
  EXPECT_FALSE(check_authority("").ok());
  EXPECT_FALSE(check_authority("-----BEGIN CERTIFICATE-----\nAAAA\n").ok());
  EXPECT_FALSE(check_authority(support::make_authority("ca").key).ok());
}

}  // namespace millrace::client
