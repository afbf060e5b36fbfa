// sim --seed N            replay one seed, with its trace
// sim --seeds N [--from M] [--mutation NAME] [--junit FILE]
//                         many seeds, one line for each that fails; JUnit: one case per hundred
// sim --mutations N [--junit FILE]
//                         fails unless each mutation is found within N seeds

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "tests/sim/simulation.h"

namespace {

using millrace::sim::Mutation;

constexpr std::uint64_t kBlock = 100;  ///< seeds of one test case

constexpr struct {
  const char* name;
  Mutation mutation;
} kMutations[] = {
    {"repeat-creates", Mutation::RepeatCreates},
    {"drop-preconditions", Mutation::DropPreconditions},
    {"forget-events", Mutation::ForgetEvents},
    {"ignore-order", Mutation::IgnoreOrder},
    {"skip-records", Mutation::SkipRecords},
};

Mutation parse_mutation(const std::string& name) {
  for (const auto& known : kMutations) {
    if (name == known.name) return known.mutation;
  }
  std::fprintf(stderr, "there is no mutation %s\n", name.c_str());
  std::exit(2);
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

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '"') {
      out += "&quot;";
    } else {
      out += c;
    }
  }
  return out;
}

/// One case of a JUnit file; `failures`: a line for each seed that failed.
std::string test_case(const std::string& name, const std::string& failures) {
  std::string out = "<testcase classname=\"sim\" name=\"" + name + "\"";
  if (failures.empty()) return out + "/>\n";
  return out + "><failure message=\"" + escaped(failures) + "\"/></testcase>\n";
}

int write_cases(const std::string& path, const std::string& cases) {
  if (path.empty()) return 0;
  std::ofstream file(path);
  file << "<testsuite name=\"sim\">\n" << cases << "</testsuite>\n";
  return file.flush() ? 0 : 2;
}

/// Each broken operator is found within so many seeds.
int try_mutations(std::uint64_t seeds, const std::string& junit) {
  bool all = true;
  std::string cases;
  for (const auto& [name, mutation] : kMutations) {
    std::string found;
    std::uint64_t seed = 0;
    while (found.empty() && seed < seeds) {
      const auto result = millrace::sim::simulate({.seed = ++seed, .mutation = mutation});
      if (!result.problems.empty()) found = result.problems.front();
    }
    all = all && !found.empty();
    std::printf(
        "mutation %s: %s\n", name,
        found.empty() ? "NOT FOUND" : ("seed " + std::to_string(seed) + ": " + found).c_str());
    std::fflush(stdout);
    cases += test_case(std::string("mutation ") + name + " is found",
                       found.empty() ? "no seed up to " + std::to_string(seeds) + " sees it" : "");
  }
  const int written = write_cases(junit, cases);
  return written != 0 ? written : all ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  millrace::sim::SimOptions options;
  std::uint64_t seeds = 0;
  std::uint64_t from = 1;
  std::uint64_t mutations = 0;
  std::string junit;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    if (flag == "--seed") options.seed = std::strtoull(argv[i + 1], nullptr, 10);
    if (flag == "--seeds") seeds = std::strtoull(argv[i + 1], nullptr, 10);
    if (flag == "--from") from = std::strtoull(argv[i + 1], nullptr, 10);
    if (flag == "--mutation") options.mutation = parse_mutation(argv[i + 1]);
    if (flag == "--mutations") mutations = std::strtoull(argv[i + 1], nullptr, 10);
    if (flag == "--junit") junit = argv[i + 1];
  }
  if (mutations > 0) return try_mutations(mutations, junit);
  if (seeds == 0) return replay(options);
  const auto start = std::chrono::steady_clock::now();
  int failed = 0;
  std::uint64_t steps = 0;
  long writes = 0;
  std::string cases;
  std::string failures;
  std::uint64_t block = from;
  for (std::uint64_t seed = from; seed < from + seeds; ++seed) {
    options.seed = seed;
    const auto result = millrace::sim::simulate(options);
    steps += result.steps;
    writes += result.writes;
    if (!result.problems.empty()) {
      ++failed;
      const std::string line = "seed " + std::to_string(seed) + ": " + result.problems.front();
      failures += (failures.empty() ? "" : "; ") + line;
      std::printf("%s\n", line.c_str());
      std::fflush(stdout);
    }
    if (seed - block + 1 == kBlock || seed + 1 == from + seeds) {
      cases +=
          test_case("seeds " + std::to_string(block) + " to " + std::to_string(seed), failures);
      failures.clear();
      block = seed + 1;
    }
  }
  if (const int written = write_cases(junit, cases); written != 0) return written;
  const double took =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::printf("%llu seeds, %d failed, %llu steps, %ld writes, %.1f s\n",
              static_cast<unsigned long long>(seeds), failed,
              static_cast<unsigned long long>(steps), writes, took);
  return failed == 0 ? 0 : 1;
}
