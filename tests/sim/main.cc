// sim --seed N            replay one seed, with its trace
// sim --seeds N [--from M] [--mutation NAME]   many seeds, one line for each that fails

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/sim/simulation.h"

namespace {

using millrace::sim::Mutation;

Mutation parse_mutation(const std::string& name) {
  if (name == "drop-preconditions") return Mutation::DropPreconditions;
  if (name == "forget-events") return Mutation::ForgetEvents;
  if (name == "repeat-creates") return Mutation::RepeatCreates;
  return Mutation::None;
}

int replay(const millrace::sim::SimOptions& options) {
  const auto result = millrace::sim::simulate(options);
  for (const std::string& line : result.trace) std::printf("%s\n", line.c_str());
  for (const std::string& problem : result.problems) std::printf("PROBLEM %s\n", problem.c_str());
  std::printf("seed %llu: %s, %llu steps, %d writes, %d crashes, hash %016llx\n",
              static_cast<unsigned long long>(options.seed),
              result.problems.empty() ? "fine" : "FAILED",
              static_cast<unsigned long long>(result.steps), result.writes, result.crashes,
              static_cast<unsigned long long>(result.hash));
  return result.problems.empty() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  millrace::sim::SimOptions options;
  std::uint64_t seeds = 0;
  std::uint64_t from = 1;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    if (flag == "--seed") options.seed = std::strtoull(argv[i + 1], nullptr, 10);
    if (flag == "--seeds") seeds = std::strtoull(argv[i + 1], nullptr, 10);
    if (flag == "--from") from = std::strtoull(argv[i + 1], nullptr, 10);
    if (flag == "--mutation") options.mutation = parse_mutation(argv[i + 1]);
  }
  if (seeds == 0) return replay(options);
  const auto start = std::chrono::steady_clock::now();
  int failed = 0;
  std::uint64_t steps = 0;
  long writes = 0;
  for (std::uint64_t seed = from; seed < from + seeds; ++seed) {
    options.seed = seed;
    const auto result = millrace::sim::simulate(options);
    steps += result.steps;
    writes += result.writes;
    if (result.problems.empty()) continue;
    ++failed;
    std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed),
                result.problems.front().c_str());
    std::fflush(stdout);
  }
  const double took =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::printf("%llu seeds, %d failed, %llu steps, %ld writes, %.1f s\n",
              static_cast<unsigned long long>(seeds), failed,
              static_cast<unsigned long long>(steps), writes, took);
  return failed == 0 ? 0 : 1;
}
