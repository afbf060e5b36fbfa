/// Zones of this machine for tests, read straight from the zone directory.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

#include "controllers/logic/time_zone.h"

namespace millrace::logic {

inline std::string zone_bytes(const std::string& name) {
  std::ifstream file("/usr/share/zoneinfo/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline TimeZone zone(const std::string& name) {
  auto parsed = TimeZone::parse(name, zone_bytes(name));
  EXPECT_TRUE(parsed.ok()) << name << ": " << (parsed.ok() ? "" : parsed.error().message);
  return parsed.ok() ? *parsed : TimeZone();
}

}  // namespace millrace::logic
