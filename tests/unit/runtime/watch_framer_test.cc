#include "kubeclient/runtime/watch_framer.h"

#include <gtest/gtest.h>

#include <vector>

namespace millrace::runtime {
namespace {

/// The frames of `pieces`; "!" stands for one that was too long.
std::vector<std::string> frames(const std::vector<std::string>& pieces, std::size_t limit,
                                bool* rest = nullptr) {
  WatchFramer framer(limit);
  std::vector<std::string> out;
  for (const std::string& piece : pieces) {
    framer.push(piece);
    while (const auto frame = framer.next()) {
      out.push_back(frame->too_long ? "!" : std::string(frame->line));
    }
  }
  if (rest != nullptr) *rest = framer.has_rest();
  return out;
}

using Lines = std::vector<std::string>;

TEST(WatchFramer, CutsLines) {
  const struct {
    const char* name;
    Lines pieces;
    Lines want;
    bool rest;
  } cases[] = {
      {"nothing", {}, {}, false},
      {"one line", {"abc\n"}, {"abc"}, false},
      {"several in one piece", {"a\nb\nc\n"}, {"a", "b", "c"}, false},
      {"cut inside", {"a", "b", "c\nd", "e\n"}, {"abc", "de"}, false},
      {"cut at the end of a line", {"abc", "\ndef\n"}, {"abc", "def"}, false},
      {"carriage returns and empty lines", {"a\r\n\n\r\nb\n"}, {"a", "b"}, false},
      {"rest is no line", {"a\nbc"}, {"a"}, true},
      {"too long is dropped, the next is whole", {"123456789\nab\n"}, {"!", "ab"}, false},
      {"too long in pieces", {"1234", "5678", "9", "\nab\n"}, {"!", "ab"}, false},
      {"exactly the limit", {"12345678\n"}, {"12345678"}, false},
      {"too long without an end", {"123456789"}, {}, true},
      {"bytes of no encoding",
       {std::string("\xff\xfe\0x\n", 5)},
       {std::string("\xff\xfe\0x", 4)},
       false},
  };
  for (const auto& c : cases) {
    bool rest = false;
    EXPECT_EQ(frames(c.pieces, 8, &rest), c.want) << c.name;
    EXPECT_EQ(rest, c.rest) << c.name;
  }
}

TEST(WatchFramer, WhereItIsCutChangesNothing) {
  const std::string text = "first\n\nsecond line\r\nthis one is far too long for it\nx\nrest";
  const Lines want = frames({text}, 16);
  for (std::size_t a = 0; a <= text.size(); ++a) {
    for (std::size_t b = a; b <= text.size(); ++b) {
      EXPECT_EQ(frames({text.substr(0, a), text.substr(a, b - a), text.substr(b)}, 16), want)
          << a << " " << b;
    }
  }
}

TEST(WatchFramer, MemoryStaysBoundedInAnEndlessLine) {
  WatchFramer framer(1000);
  for (int i = 0; i < 10000; ++i) {
    framer.push(std::string(500, 'x'));
    EXPECT_FALSE(framer.next());
  }
  framer.push("\nok\n");
  EXPECT_TRUE(framer.next()->too_long);
  EXPECT_EQ(framer.next()->line, "ok");
}

}  // namespace
}  // namespace millrace::runtime
