#include "bench/macro/process_usage.h"

#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

namespace millrace::bench {
namespace {

/// User and system time of /proc/PID/stat, which also counts threads that have ended. The name of
/// the program may hold blanks, hence the search for the bracket behind it.
Result<double> cpu_seconds(const std::string& folder) {
  std::ifstream file(folder + "/stat");
  std::string line;
  if (!std::getline(file, line)) return fail(Code::NotFound, folder + ": no such process");
  std::istringstream fields(line.substr(line.rfind(')') + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace

Result<ProcessUsage> process_usage(int pid) {
  const std::string folder = "/proc/" + std::to_string(pid);
  ProcessUsage usage;
  MR_ASSIGN(usage.cpu, cpu_seconds(folder));
  std::ifstream file(folder + "/status");
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream fields(line);
    std::string name;
    std::int64_t value = 0;
    fields >> name >> value;
    if (name == "VmRSS:") usage.resident = value;
    if (name == "RssAnon:") usage.resident_anon = value;
    if (name == "VmHWM:") usage.resident_peak = value;
  }
  return usage;
}

}  // namespace millrace::bench
