#include "bench/local/process_time.h"

#include <sys/resource.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace millrace::bench {

double process_cpu_seconds() {
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(use.ru_utime) + seconds(use.ru_stime);
}

double thread_cpu_seconds(std::string_view name) {
  double sum = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string comm;
    std::getline(std::ifstream(task.path() / "comm"), comm);
    if (!comm.starts_with(name)) continue;
    double ns = 0;  // the first number: time on a processor [ns]
    std::ifstream(task.path() / "schedstat") >> ns;
    sum += ns / 1e9;
  }
  return sum;
}

}  // namespace millrace::bench
