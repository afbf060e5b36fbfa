#include "tests/sim/trace.h"

#include <cstdio>

namespace millrace::sim {
namespace {
constexpr std::size_t kKept = 4000;
}

void Trace::add(const std::string& line) {
  const double seconds = std::chrono::duration<double>(clock_.steady() - start_).count();
  char head[32];
  std::snprintf(head, sizeof head, "%10.3f ", seconds);
  std::string whole = head + line;
  for (const char c : whole) {
    hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  }
  ++count_;
  lines_.push_back(std::move(whole));
  if (lines_.size() > kKept) lines_.pop_front();
}

}  // namespace millrace::sim
