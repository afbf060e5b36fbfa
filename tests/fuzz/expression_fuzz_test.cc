/// Whatever stands in a templated string and in the values it reads: parsing and evaluating end, in
/// bounds, and text that comes out is not evaluated again.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iterator>
#include <string>
#include <utility>

#include "controllers/expression/evaluate.h"
#include "kubeclient/codec/value.h"
#include "tests/fuzz/mutator.h"

namespace millrace::fuzz {
namespace {

using codec::Value;
using expression::Scope;
using expression::Template;

constexpr const char* kPaths[] = {"params.n",       "params.s",      "params.list",
                                  "params.o",       "params.zzz",    "steps.a.outputs.x",
                                  "params.list[0]", "params.o['k']", "params[params.s]",
                                  "nowhere",        "params.big",    "params.list[-1]"};
constexpr const char* kLiterals[] = {"1",
                                     "0",
                                     "-3",
                                     "1.5",
                                     "'x'",
                                     "\"\"",
                                     "`^a+$`",
                                     "true",
                                     "false",
                                     "null",
                                     "[]",
                                     "{}",
                                     "9223372036854775807",
                                     "1e308",
                                     "'{\"a\":1}'",
                                     "'(a|b)*c'",
                                     "','"};
constexpr const char* kBinary[] = {
    "+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "in"};
constexpr const char* kCalls[] = {
    "default(%)",   "exists",   "int",           "float",         "bool",        "string",
    "floor",        "ceil",     "round",         "toJson",        "fromJson",    "base64",
    "base64decode", "sha256",   "type",          "trim",          "upper",       "lower",
    "split(%)",     "join(%)",  "replace(%, %)", "startsWith(%)", "endsWith(%)", "matches(%)",
    "length",       "first",    "last",          "keys",          "values",      "contains(%)",
    "sort",         "unique",   "reverse",       "max",           "min",         "sum",
    "append(%)",    "merge(%)", "slice(%, %)",   "a.b",           "x[%]"};
constexpr const char* kOld[] = {"{{ .Name }}",
                                "{{ .Response.s.j.Body.k | toInt }}",
                                "{{ index .Response `s` `j` }}",
                                "{{ (index .Response `s` `j`).Body.k }}",
                                "{{ if eq .Name `x` }}a{{ else }}b{{ end }}",
                                "{{ printf `%v %s` .Stages .Name }}",
                                "{{ .Response | toJson }}",
                                "{{- .Name -}}",
                                "{{/* note */}}",
                                "{{ if and .Name (not .Stages) }}{{ len .Stages }}{{ end }}",
                                "{{ .Response.s.j.Body.zzz | default `d` }}"};

class Grammar {
 public:
  explicit Grammar(Mutator& mutator) : mutator_(mutator) {}

  std::string text() {
    std::string out;
    for (std::size_t n = mutator_.below(4) + 1; n > 0; --n) {
      if (mutator_.chance(4)) out += " text }} ";
      if (mutator_.chance(5)) {
        out += pick(kOld);
      } else {
        out += "{{ " + expression(4) + " }}";
      }
    }
    return out;
  }
  std::string expression(int depth) {
    if (depth == 0 || mutator_.chance(6)) {
      return mutator_.chance(2) ? pick(kPaths) : pick(kLiterals);
    }
    const auto inner = [&] { return expression(depth - 1); };
    switch (mutator_.below(8)) {
      case 0:
        return "(" + inner() + ")";
      case 1:
        return std::string(mutator_.chance(2) ? "!" : "- ") + inner();
      case 2:
        return inner() + " ? " + inner() + " : " + inner();
      case 3:
        return "[" + inner() + ", " + inner() + "]";
      case 4:
        return "{k: " + inner() + ", 'a b': " + inner() + "}";
      case 5:
      case 6: {
        std::string call;
        for (const char* c = pick(kCalls); *c != '\0'; ++c) {
          call += *c == '%' ? expression(depth - 1) : std::string(1, *c);
        }
        return "(" + inner() + ") | " + call;
      }
      default:
        return inner() + " " + pick(kBinary) + " " + inner();
    }
  }

 private:
  template <std::size_t N>
  const char* pick(const char* const (&from)[N]) {
    return from[mutator_.below(N)];
  }
  Mutator& mutator_;
};

Value scope_values(Mutator& mutator) {
  Value root = *Value::parse(R"({
    "params": {"n": 3, "s": "k", "list": [3, "a", 1.5, null], "o": {"k": "v"}},
    "steps": {"a": {"outputs": {"x": "7"}}}, "Name": "demo", "Stages": ["s"],
    "Response": {"s": {"j": {"status": 200, "headers": {}, "body": {"k": "5"}}}}})");
  root["params"]["big"] = std::string(200'000, 'a');
  for (std::size_t n = mutator.below(4); n > 0; --n) mutator.change(root["params"]);
  return root;
}

std::size_t size_of(const Value& value) {
  std::size_t sum = value.is_string() ? value.as_string().size() : 8;
  for (const Value& item : value.items()) sum += size_of(item);
  for (const auto& [key, member] : value.members()) sum += key.size() + size_of(member);
  return sum;
}

/// `text` as a template that gives it back.
std::string quoted(const std::string& text) {
  std::string out = "{{ '";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "' }}";
}

/// What came of one text; the test wants all kinds.
struct Tally {
  std::size_t values = 0;
  std::size_t unparsed = 0;
  std::size_t failed = 0;
};

void one(const std::string& text, const Value& root, Tally& tally) {
  SCOPED_TRACE(text.substr(0, 600));
  const auto parsed = Template::parse(text);
  if (!parsed.ok()) {
    ++tally.unparsed;
    EXPECT_EQ(parsed.error().code, Code::Invalid);
    EXPECT_FALSE(parsed.error().message.empty());
    return;
  }
  for (const auto& reference : parsed->references()) {
    EXPECT_FALSE(reference.path.empty());
    EXPECT_LT(reference.offset, text.size());
    EXPECT_EQ(text.substr(reference.offset, reference.text.size()), reference.text);
  }
  for (const auto missing : {Scope::Missing::Error, Scope::Missing::Empty}) {
    const expression::ValueScope scope(root, missing);
    const auto value = expression::evaluate(*parsed, scope);
    if (!value.ok()) {
      ++tally.failed;
      EXPECT_TRUE(value.error().code == Code::Invalid || value.error().code == Code::NotFound)
          << value.error().message;
      EXPECT_EQ(value.error().message.find("aaaaaaaaaaaaaaaaaaaa"), std::string::npos)
          << "the message shows a value";
      continue;
    }
    ++tally.values;
    EXPECT_LE(size_of(*value), std::size_t{2} << 20);
    EXPECT_EQ(expression::evaluate(*parsed, scope)->dump(), value->dump());
    if (value->is_string()) {  // as text of a template it means itself
      const auto again = Template::parse(quoted(value->as_string()));
      ASSERT_TRUE(again.ok()) << again.error().message;
      const auto same = expression::evaluate(*again, scope);
      ASSERT_TRUE(same.ok()) << same.error().message;
      EXPECT_TRUE(*same == *value);
    }
    (void)expression::evaluate_condition(*parsed, scope);
  }
}

TEST(ExpressionFuzz, EveryTextGivesAValueOrAnErrorInBounds) {
  // More of them by hand: MILLRACE_FUZZ_SEEDS=2000 build/dev/bin/expression_fuzz_test
  const char* wanted = std::getenv("MILLRACE_FUZZ_SEEDS");
  const std::uint64_t seeds = wanted == nullptr ? 30 : std::strtoull(wanted, nullptr, 10);
  Tally tally;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Mutator mutator(seed);
    Grammar grammar(mutator);
    const Value root = scope_values(mutator);
    for (int n = 0; n < 100; ++n) {
      std::string text = grammar.text();
      if (mutator.chance(3)) {
        for (std::size_t times = mutator.below(4) + 1; times > 0; --times) mutator.damage(text);
      }
      one(text, root, tally);
      if (testing::Test::HasFailure()) return;
    }
    std::string noise;
    for (std::size_t n = mutator.below(200); n > 0; --n) {
      noise += static_cast<char>(mutator.below(256));
    }
    one("{{" + noise + "}}", root, tally);
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(tally.values, seeds * 5);
  EXPECT_GT(tally.unparsed, seeds * 5);
  EXPECT_GT(tally.failed, seeds * 5);
}

}  // namespace
}  // namespace millrace::fuzz
