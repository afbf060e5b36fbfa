#include "local/apiserver/certificate.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <fstream>

#include "kubeclient/base/time_format.h"
#include "tests/support/temporary_folder.h"

namespace millrace::apiserver {
namespace {

using std::chrono::days;

const std::vector<std::string> kNames = {"127.0.0.1", "::1", "localhost"};
const Time kNow = parse_time("2026-11-21T00:00:00Z").value();

TEST(Certificate, IsUsableForItsNamesAndItsTime) {
  const auto authority = make_authority(kNow).value();
  const auto other = make_authority(kNow).value();
  const auto server = make_server_certificate(authority, kNames, kNow).value();
  EXPECT_TRUE(is_usable(authority, "", {}, kNow));
  const struct {
    const char* name;
    CertificatePair pair;
    std::string authority;
    std::vector<std::string> names;
    Time now;
    bool want;
  } cases[] = {
      {"all of its names", server, authority.certificate, kNames, kNow, true},
      {"a clock that is a little behind", server, authority.certificate, kNames,
       kNow - std::chrono::minutes(30), true},
      {"another name", server, authority.certificate, {"10.0.0.1"}, kNow, false},
      {"another authority", server, other.certificate, kNames, kNow, false},
      {"before its time", server, authority.certificate, kNames, kNow - days(1), false},
      {"eleven months on", server, authority.certificate, kNames, kNow + days(330), true},
      {"close to its end", server, authority.certificate, kNames, kNow + days(340), false},
      {"the key of another",
       {server.certificate, other.private_key},
       authority.certificate,
       kNames,
       kNow,
       false},
      {"nothing", {}, authority.certificate, kNames, kNow, false},
      {"garbage", {"x", "y"}, authority.certificate, kNames, kNow, false},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(is_usable(c.pair, c.authority, c.names, c.now), c.want) << c.name;
  }
}

TEST(Certificate, RefusesNamesThatWouldSayMore) {
  const auto authority = make_authority(kNow).value();
  for (const char* name : {"", "a,DNS:b", "a\nb"}) {
    EXPECT_EQ(make_server_certificate(authority, {name}, kNow).error().code, Code::Invalid);
  }
}

TEST(ServerIdentity, IsKeptAndRenewedUnderTheSameAuthority) {
  const support::TemporaryFolder folder;
  const std::string path = folder.path() + "/tls";
  const auto first = server_identity(path, kNames, kNow).value();
  EXPECT_EQ(server_identity(path, kNames, kNow).value().server.certificate,
            first.server.certificate);

  const auto later = server_identity(path, kNames, kNow + days(360)).value();
  EXPECT_EQ(later.authority, first.authority);
  EXPECT_NE(later.server.certificate, first.server.certificate);
  EXPECT_TRUE(is_usable(later.server, first.authority, kNames, kNow + days(360)));

  const auto more = server_identity(path, {"127.0.0.1", "10.1.2.3"}, kNow).value();
  EXPECT_EQ(more.authority, first.authority);

  for (const char* name : {"ca.key", "ca.crt", "server.key", "server.crt"}) {
    struct stat info {};
    ASSERT_EQ(stat((path + "/" + name).c_str(), &info), 0) << name;
    EXPECT_EQ(info.st_mode & 0777, 0600U) << name;
  }
}

TEST(ServerIdentity, BrokenFilesAreMadeAnew) {
  const support::TemporaryFolder folder;
  const std::string path = folder.path() + "/tls";
  const auto first = server_identity(path, kNames, kNow).value();
  std::ofstream(path + "/ca.crt", std::ios::trunc) << "garbage";
  const auto second = server_identity(path, kNames, kNow).value();
  EXPECT_NE(second.authority, first.authority);
  EXPECT_TRUE(is_usable(second.server, second.authority, kNames, kNow));
}

TEST(ServerIdentity, NamesWhatItCannotWrite) {
  const auto got = server_identity("/proc/nothing/tls", kNames, kNow);
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().code, Code::Unavailable);
  EXPECT_NE(got.error().message.find("/proc/nothing/tls"), std::string::npos);
}

}  // namespace
}  // namespace millrace::apiserver
