#include "controllers/shell/zone_files.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace millrace::shell {
namespace {

namespace fs = std::filesystem;

TEST(ZoneFiles, FindsZonesOfTheMachine) {
  ZoneFiles zones;
  for (const char* name : {"Europe/Berlin", "Asia/Kolkata", "Etc/GMT+5", "UTC", "EST5EDT"}) {
    const auto zone = zones.find(name);
    ASSERT_TRUE(zone.ok()) << zone.error().message;
    EXPECT_EQ(zone->name(), name);
  }
  EXPECT_EQ(zones.find("")->name(), "UTC");
  EXPECT_EQ(zones.find("Europe/Berlin")->offset_at({}), std::chrono::hours{1});
}

TEST(ZoneFiles, RefusesWithAReason) {
  ZoneFiles zones;
  const struct {
    const char* name;
    const char* zone;
    const char* message;
  } cases[] = {
      {"wrong case", "europe/berlin",
       "unknown time zone \"europe/berlin\"; did you mean Europe/Berlin?"},
      {"a slip", "Europe/Berln", "unknown time zone \"Europe/Berln\"; did you mean Europe/Berlin?"},
      {"the city only", "Kolkata", "unknown time zone \"Kolkata\"; did you mean Asia/Kolkata?"},
      {"nothing near", "Mars/Olympus_Mons",
       "unknown time zone \"Mars/Olympus_Mons\"; use an IANA name such as Europe/Berlin, or leave "
       "it empty for UTC"},
      {"a folder", "Europe",
       "unknown time zone \"Europe\"; use an IANA name such as Europe/Berlin, or leave it empty "
       "for UTC"},
      {"out of the directory", "../../../etc/passwd",
       "unknown time zone \"../../../etc/passwd\"; use an IANA name such as Europe/Berlin, or "
       "leave it empty for UTC"},
  };
  for (const auto& c : cases) {
    const auto zone = zones.find(c.zone);
    ASSERT_FALSE(zone.ok()) << c.name;
    EXPECT_EQ(zone.error().code, Code::Invalid) << c.name;
    EXPECT_EQ(zone.error().message, c.message) << c.name;
  }
  for (const char* name : {"localtime", "zone.tab", "tzdata.zi", "posix/Europe/Berlin"}) {
    EXPECT_FALSE(zones.find(name).ok()) << name;
  }
}

TEST(ZoneFiles, SaysWhatIsWrongWithTheDirectory) {
  const fs::path directory = fs::path(testing::TempDir()) / "millrace-zones";
  fs::remove_all(directory);
  ZoneFiles zones(directory.string());
  EXPECT_EQ(zones.find("Europe/Berlin").error().code, Code::Unavailable);
  EXPECT_TRUE(zones.find("UTC").ok()) << "UTC needs no file";

  fs::create_directories(directory / "Europe");
  EXPECT_EQ(zones.find("Europe/Berlin").error().code, Code::Invalid);
  std::ofstream(directory / "Europe" / "Berlin") << "TZif2 cut";
  EXPECT_EQ(zones.find("Europe/Berlin").error().code, Code::Malformed);
  fs::copy_file("/usr/share/zoneinfo/Europe/Berlin", directory / "Europe" / "Berlin",
                fs::copy_options::overwrite_existing);
  EXPECT_TRUE(zones.find("Europe/Berlin").ok()) << "a failure is not remembered";
  fs::remove_all(directory);
  EXPECT_TRUE(zones.find("Europe/Berlin").ok()) << "loaded once";
}

}  // namespace
}  // namespace millrace::shell
