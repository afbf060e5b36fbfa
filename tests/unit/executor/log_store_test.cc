#include "local/executor/log_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>

#include "kubeclient/base/time_format.h"
#include "tests/support/temporary_folder.h"

namespace millrace::executor {
namespace {

const Time kNow = parse_time("2026-11-21T03:04:05.5Z").value();

std::string line(const std::string& text) {
  return "2026-11-21T03:04:05.500000000Z stdout F " + text + "\n";
}

TEST(LineSplitter, CutsLinesHoweverTheyArrive) {
  LineSplitter splitter("stdout");
  std::string out;
  for (const char* piece : {"a", "b\n", "\nc", ""}) splitter.add(piece, kNow, out);
  EXPECT_EQ(out, line("ab") + line(""));
  out.clear();
  splitter.finish(kNow, out);
  EXPECT_EQ(out, "2026-11-21T03:04:05.500000000Z stdout P c\n");
}

TEST(LineSplitter, HoldsNoMoreThanOneLongPart) {
  LineSplitter splitter("stdout");
  std::string out;
  splitter.add(std::string(40'000, 'x'), kNow, out);
  std::size_t parts = 0;
  for (std::size_t at = 0; (at = out.find(" P ", at)) != std::string::npos; ++at) ++parts;
  EXPECT_EQ(parts, 2U);
  EXPECT_GT(out.size(), 32'000U);
}

class Logs : public ::testing::Test {
 protected:
  std::string read(apiserver::LogRequest request) {
    request.pod = {"ns", "p"};
    request.pod_uid = "u";
    request.container = "c";
    auto stream = store_.open(request);
    if (!stream.ok()) return "error: " + stream.error().message;
    std::string out;
    while (true) {
      const std::string piece = (*stream)->take(100);
      if (piece.empty()) return out + ((*stream)->ended() ? "" : "...");
      out += piece;
    }
  }
  std::unique_ptr<LogWriter> write(int n) { return store_.write({"ns", "p"}, "u", "c", n); }

  support::TemporaryFolder folder_;
  LogStore store_{folder_.path(), {.file_bytes = 1000}};
};

TEST_F(Logs, AnswerEveryOption) {
  auto writer = write(0);
  writer->append(
      "2026-11-21T03:04:05.000000000Z stdout F one\n"
      "2026-11-21T03:04:06.000000000Z stderr F two\n"
      "2026-11-21T03:04:07.000000000Z stdout P thr\n");
  EXPECT_EQ(read({}), "one\ntwo\nthr");
  EXPECT_EQ(read({.pod = {}, .pod_uid = {}, .container = {}, .follow = true}), "one\ntwo\nthr...");
  EXPECT_EQ(read({.pod = {}, .pod_uid = {}, .container = {}, .timestamps = true}).substr(0, 35),
            "2026-11-21T03:04:05.000000000Z one\n");
  EXPECT_EQ(read({.pod = {}, .pod_uid = {}, .container = {}, .tail_lines = 2}), "two\nthr");
  EXPECT_EQ(read({.pod = {}, .pod_uid = {}, .container = {}, .tail_lines = 0}), "");
  EXPECT_EQ(read({.pod = {}, .pod_uid = {}, .container = {}, .limit_bytes = 5}), "one\nt");
  EXPECT_EQ(read({.pod = {},
                  .pod_uid = {},
                  .container = {},
                  .since = parse_time("2026-11-21T03:04:06Z").value()}),
            "two\nthr");
  EXPECT_EQ(read({.pod = {}, .pod_uid = {}, .container = {}, .previous = true}).substr(0, 6),
            "error:");
  writer.reset();
  EXPECT_EQ(read({.pod = {}, .pod_uid = {}, .container = {}, .follow = true}), "one\ntwo\nthr");
}

TEST_F(Logs, KeepThePreviousOneOnly) {
  for (int n = 0; n < 3; ++n) write(n)->append(line(std::to_string(n)));
  EXPECT_EQ(read({}), "2\n");
  EXPECT_EQ(read({.pod = {}, .pod_uid = {}, .container = {}, .previous = true}), "1\n");
}

TEST_F(Logs, WakeFollowersAndCrossARotation) {
  auto writer = write(0);
  writer->append(line("first"));
  auto stream =
      store_.open({.pod = {"ns", "p"}, .pod_uid = "u", .container = "c", .follow = true}).value();
  std::atomic<int> wakes = 0;
  stream->on_ready([&] { ++wakes; });
  EXPECT_EQ(stream->take(1000), "first\n");
  writer->append(line(std::string(900, 'x')));
  EXPECT_EQ(wakes, 1);
  writer->append(line("after"));  // begins a new file
  EXPECT_EQ(stream->take(5000), std::string(900, 'x') + "\nafter\n");
  EXPECT_FALSE(stream->ended());
  writer.reset();
  EXPECT_EQ(stream->take(1000), "");
  EXPECT_TRUE(stream->ended());
  EXPECT_EQ(wakes, 3);
}

TEST_F(Logs, StayWithinTheirBound) {
  auto writer = write(0);
  for (int i = 0; i < 1000; ++i) writer->append(line("0123456789"));
  struct stat now {};
  struct stat before {};
  const std::string path = folder_.path() + "/ns_p_u/c/0.log";
  ASSERT_EQ(::stat(path.c_str(), &now), 0);
  ASSERT_EQ(::stat((path + ".1").c_str(), &before), 0);
  EXPECT_LE(now.st_size, 1000);
  EXPECT_LE(before.st_size, 1000);
}

TEST_F(Logs, RefuseNamesThatLeadElsewhere) {
  for (const char* name : {"..", "a/b", ""}) {
    EXPECT_FALSE(store_.open({.pod = {"ns", "p"}, .pod_uid = "u", .container = name}).ok()) << name;
    EXPECT_FALSE(store_.open({.pod = {"ns", "p"}, .pod_uid = name, .container = "c"}).ok()) << name;
  }
}

}  // namespace
}  // namespace millrace::executor
