/// Whatever stands in the data of a conveyor-belt file and in the responses: a value or an error
/// with its place comes, within the limits, the same each time, and no error tells a value.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "controllers/expression/go_template.h"
#include "kubeclient/codec/value.h"
#include "tests/fuzz/mutator.h"

namespace millrace::fuzz {
namespace {

using codec::Value;
using expression::GoTemplate;

/// Stands in the values of the root only; in no template and in no message.
constexpr std::string_view kSecret = "s3cr3t";

constexpr const char* kRoot =
    R"({"Name":"s3cr3t-name","Stages":["a","b","s3cr3t-stage"],"Response":{
  "a":{"j":{"Status":200,"Headers":{"Etag":["s3cr3t-tag"],"X":[]},"Body":{"k":"s3cr3t-k","n":12345678901,
    "f":-1.5,"t":true,"z":null,"l":[1,"s3cr3t-l",null,[true]],"o":{"b":"s3cr3t-o","a":{"c":2}},"e":""}}},
  "my-stage":{"my job":{"Status":500,"Headers":{},"Body":{"d":"s3cr3t-d"}}},"empty":{}},
  "Time":{"Start":"2026-01-02T03:04:05.678Z","Total":12}})";

constexpr const char* kPaths[] = {
    ".Name",
    ".Stages",
    ".Time.Start",
    ".Response",
    ".Response.a",
    ".Response.a.j.Status",
    ".Response.a.j.Headers",
    ".Response.a.j.Body",
    ".Response.a.j.Body.k",
    ".Response.a.j.Body.n",
    ".Response.a.j.Body.f",
    ".Response.a.j.Body.l",
    ".Response.a.j.Body.o",
    ".Response.a.j.Body.o.a.c",
    ".Response.a.j.Body.z.y",
    ".Response.no.no.Body.x",
    "$.Name",
    "$.Response.a.j.Body.l",
    ".",
    "$",
    "$x",
    "$x.k",
    "(index .Response `my-stage` `my job`).Body.d",
};
constexpr const char* kLiterals[] = {"1",
                                     "0",
                                     "-1",
                                     "2.5",
                                     "1e3",
                                     "0x10",
                                     "true",
                                     "false",
                                     "nil",
                                     "`a`",
                                     "\"b\\n\"",
                                     "`%v-%5d|%q`",
                                     "`%s`",
                                     "`k`",
                                     "`l`",
                                     "`true`",
                                     "9223372036854775807",
                                     "``",
                                     "\"\\u00fc\"",
                                     "`%-10.3s%%%+.2f`"};
constexpr const char* kFunctions[] = {"and",   "eq",     "ge",      "gt",      "html",  "index",
                                      "js",    "le",     "len",     "lt",      "ne",    "not",
                                      "or",    "print",  "printf",  "println", "slice", "toBool",
                                      "toInt", "toJson", "urlquery"};
constexpr const char* kTexts[] = {"", "x", " ", "\n", "}}", "{", "é漢", "\xff", "a b", "%d"};

/// Templates that are mostly right.
class Writer {
 public:
  explicit Writer(Mutator& mutator) : mutator_(mutator) {}

  std::string text(int depth = 3) {
    std::string out;
    for (std::size_t n = 1 + mutator_.below(3); n > 0; --n) out += node(depth);
    return out;
  }

 private:
  template <std::size_t N>
  std::string one_of(const char* const (&from)[N]) {
    return from[mutator_.below(N)];
  }
  std::string open() { return mutator_.chance(6) ? "{{- " : (mutator_.chance(4) ? "{{" : "{{ "); }
  std::string close() { return mutator_.chance(6) ? " -}}" : (mutator_.chance(4) ? "}}" : " }}"); }
  std::string action(const std::string& inside) { return open() + inside + close(); }

  std::string operand(int depth) {
    if (depth > 0 && mutator_.chance(4)) {
      return "(" + pipeline(depth - 1) + ")" + (mutator_.chance(4) ? ".k" : "");
    }
    return mutator_.chance(3) ? one_of(kLiterals) : one_of(kPaths);
  }
  std::string call(int depth, std::size_t least) {
    std::string out = one_of(kFunctions);
    for (std::size_t n = least + mutator_.below(3); n > 0; --n) out += " " + operand(depth);
    return out;
  }
  std::string pipeline(int depth) {
    std::string out = mutator_.chance(2) ? operand(depth) : call(depth, 1);
    while (mutator_.chance(3)) out += " | " + call(depth, 0);
    return out;
  }
  std::string block(int depth) {
    switch (mutator_.below(5)) {
      case 0:
        return action("if " + pipeline(1)) + text(depth) + action("else") + text(depth);
      case 1:
        return action("with " + pipeline(1)) + text(depth);
      case 2:
        return action("range $i, $x := " + pipeline(1)) + text(depth) +
               (mutator_.chance(3) ? action("break") : "");
      case 3:
        return action("range " + pipeline(1)) + text(depth) + action("else") + text(depth);
      default:
        return action("if " + pipeline(1)) + text(depth) + action("else if " + pipeline(1)) +
               (mutator_.chance(4) ? action("continue") : "");
    }
  }
  std::string node(int depth) {
    switch (mutator_.below(depth > 0 ? 6 : 4)) {
      case 0:
        return one_of(kTexts);
      case 1:
        return action("$x := " + pipeline(2));
      case 2:
      case 3:
        return action(pipeline(2));
      case 4:
        return action("/* c */");
      default:
        return block(depth - 1) + action("end");
    }
  }

  Mutator& mutator_;
};

struct Counts {
  int refused = 0;
  int failed = 0;
  int rendered = 0;
  int converted = 0;
  int documents = 0;
};

class GoTemplateFuzzer {
 public:
  GoTemplateFuzzer(std::uint64_t seed, Counts& counts)
      : mutator_(seed), counts_(counts), root_(*Value::parse(kRoot)) {}

  void step() {
    // `$x` exists nearly everywhere, so that most templates parse.
    std::string text =
        (mutator_.chance(4) ? "" : "{{ $x := .Response.a.j.Body }}") + Writer(mutator_).text();
    if (mutator_.chance(6))
      text = "{{ .Response.a.j.Body | " +
             std::string(mutator_.chance(2) ? "toJson }}" : "print | toInt }}");
    if (mutator_.chance(3)) mutator_.damage(text);
    if (mutator_.chance(20)) {
      root_ = *Value::parse(kRoot);
      for (std::size_t n = mutator_.below(4); n > 0; --n) mutator_.change(root_);
    }
    SCOPED_TRACE(text);
    const GoTemplate::Limits limits{.steps = mutator_.chance(4) ? mutator_.below(60) : 3000,
                                    .output_bytes = mutator_.chance(4) ? mutator_.below(60) : 5000,
                                    .made_bytes = mutator_.chance(4) ? mutator_.below(60) : 20000};
    const auto spelling =
        mutator_.chance(2) ? GoTemplate::Spelling::Json : GoTemplate::Spelling::Go;
    one(text, limits, spelling);
    if (mutator_.chance(4)) document(text, limits, spelling);
  }

 private:
  void one(const std::string& text, const GoTemplate::Limits& limits,
           GoTemplate::Spelling spelling) {
    const auto parsed = GoTemplate::parse(text);
    if (!parsed.ok()) {
      ++counts_.refused;
      return check(parsed.error(), text);
    }
    for (const auto& reference : parsed->references()) EXPECT_LT(reference.offset, text.size());
    EXPECT_TRUE(parsed->is_literal() || text.find("{{") != std::string::npos);
    const auto out = parsed->render(root_, limits, spelling);
    const auto again = GoTemplate(*parsed).render(root_, limits, spelling);
    ASSERT_EQ(out.ok(), again.ok());
    if (!out.ok()) {
      ++counts_.failed;
      EXPECT_EQ(out.error(), again.error());
      return check(out.error(), text);
    }
    ++counts_.rendered;
    EXPECT_EQ(*out, *again);
    EXPECT_LE(out->as_string().size(), limits.output_bytes);
    if (!out->is_string()) {
      ++counts_.converted;
      EXPECT_TRUE(parsed->is_single_action());
    }
    EXPECT_TRUE(Value::parse(out->dump()).ok());
  }

  void document(const std::string& text, const GoTemplate::Limits& limits,
                GoTemplate::Spelling spelling) {
    Value document = Value::object({{"plain", "x"}, {"deep", Value::array({Value(text)})}});
    for (std::size_t n = mutator_.below(3); n > 0; --n) mutator_.change(document);
    const auto out = expression::render_document(document, root_, limits, spelling);
    if (!out.ok()) {
      EXPECT_EQ(out.error().message.find(kSecret), std::string::npos) << out.error().message;
      EXPECT_EQ(out.error().code, Code::Invalid);
      return;
    }
    ++counts_.documents;
    EXPECT_TRUE(Value::parse(out->dump()).ok());
    for (const auto& field : expression::go_templates_of(document)) {
      EXPECT_TRUE(field.content.ok()) << "rendered, but refused before: " << field.path;
    }
  }

  /// `at byte N: ` with a place inside of the text, and no value.
  static void check(const Error& error, const std::string& text) {
    EXPECT_EQ(error.code, Code::Invalid);
    EXPECT_EQ(error.message.find(kSecret), std::string::npos) << error.message;
    ASSERT_TRUE(error.message.starts_with("at byte ")) << error.message;
    EXPECT_LE(std::strtoull(error.message.c_str() + 8, nullptr, 10), text.size()) << error.message;
    EXPECT_LT(error.message.size(), 500U);
  }

  Mutator mutator_;
  Counts& counts_;
  Value root_;
};

TEST(GoTemplateFuzz, EveryTemplateGivesAValueOrAnErrorWithinItsLimits) {
  // More of them by hand: MILLRACE_FUZZ_SEEDS=2000 build/dev/bin/fuzz_test
  const char* wanted = std::getenv("MILLRACE_FUZZ_SEEDS");
  const std::uint64_t seeds = wanted == nullptr ? 30 : std::strtoull(wanted, nullptr, 10);
  Counts counts;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    GoTemplateFuzzer fuzzer(seed, counts);
    for (int n = 0; n < 400; ++n) {
      fuzzer.step();
      if (testing::Test::HasFailure()) return;
    }
  }
  // The templates are good enough to get everywhere.
  EXPECT_GT(counts.refused, 100);
  EXPECT_GT(counts.failed, 100);
  EXPECT_GT(counts.rendered, 100);
  EXPECT_GT(counts.converted, 100);
  EXPECT_GT(counts.documents, 100);
}

}  // namespace
}  // namespace millrace::fuzz
