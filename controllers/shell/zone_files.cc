#include "controllers/shell/zone_files.h"

#include <filesystem>
#include <fstream>
#include <optional>
#include <system_error>
#include <vector>

namespace millrace::shell {
namespace {

namespace fs = std::filesystem;

/// Real zones have a few KiB.
constexpr std::size_t kLargestFile = std::size_t{1} << 18;

std::optional<std::string> read_file(const fs::path& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return std::nullopt;
  std::ifstream file(path, std::ios::binary);
  std::string bytes(kLargestFile, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (file.bad() || (!file.eof() && file.fail())) return std::nullopt;
  bytes.resize(static_cast<std::size_t>(file.gcount()));
  return bytes;
}

/// Names that a person may write: no copies under posix/ and right/, no tables, no machine
/// settings.
std::vector<std::string> zone_names(const fs::path& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::recursive_directory_iterator it(directory, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().lexically_relative(directory).generic_string();
    if (name == "posix" || name == "right") {
      it.disable_recursion_pending();
      continue;
    }
    const bool zone = name[0] >= 'A' && name[0] <= 'Z' && logic::is_zone_name(name);
    std::error_code ignored;
    if (zone && it->is_regular_file(ignored)) names.push_back(name);
  }
  return names;
}

}  // namespace

ZoneFiles::ZoneFiles(std::string directory) : directory_(std::move(directory)) {}

Result<logic::TimeZone> ZoneFiles::find(std::string_view name) {
  if (name.empty() || name == "UTC") return logic::TimeZone();
  // Lower-case names in the directory are tables and the machine's own setting ("localtime").
  if (!logic::is_zone_name(name) || name[0] < 'A' || name[0] > 'Z') return unknown(name);
  {
    const auto loaded = loaded_.lock();
    const auto it = loaded->find(name);
    if (it != loaded->end()) return it->second;
  }
  const auto bytes = read_file(fs::path(directory_) / name);
  if (!bytes) return unknown(name);
  MR_ASSIGN(logic::TimeZone zone, logic::TimeZone::parse(name, *bytes));
  loaded_.lock()->emplace(std::string(name), zone);
  return zone;
}

tl::unexpected<Error> ZoneFiles::unknown(std::string_view name) const {
  std::error_code error;
  if (!fs::is_directory(directory_, error)) {
    return fail(Code::Unavailable, "time zone \"" + std::string(name.substr(0, 64)) +
                                       "\": there is no directory " + directory_ +
                                       "; install the tzdata package");
  }
  std::string message = "unknown time zone \"" + std::string(name.substr(0, 64)) + '"';
  const std::string near = logic::suggest_zone(name, zone_names(directory_));
  message += near.empty() ? "; use an IANA name such as Europe/Berlin, or leave it empty for UTC"
                          : "; did you mean " + near + "?";
  return fail(Code::Invalid, message);
}

}  // namespace millrace::shell
