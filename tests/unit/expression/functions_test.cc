#include "controllers/expression/functions.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

#include "controllers/expression/digest.h"
#include "tests/unit/expression/support.h"

namespace millrace::expression {
namespace {

struct Case {
  const char* text;
  const char* want;
};

void check(std::initializer_list<Case> cases) {
  for (const Case& c : cases) EXPECT_EQ(run(c.text), c.want) << c.text;
}

TEST(Functions, DefaultCoalesceAndExistsCatchWhatIsMissing) {
  check({
      {"{{ params.zzz | default('d') }}", R"("d")"},
      {"{{ params.nothing | default(4) }}", "4"},
      {"{{ params.n | default(nowhere.x) }}", "3"},
      {"{{ params.blank | default('d') }}", R"("")"},
      {"{{ params.zzz.deep[3] | int | default(0) }}", "0"},
      {"{{ params.zzz | default(params.yyy) }}", "error: params.yyy: params has no key yyy"},
      {"{{ params.s | int | default(0) }}",
       "error: int: `params.s` is text that is no integer of 64 bits"},
      {"{{ default(params.zzz, 5) }}", "5"},
      {"{{ coalesce(params.zzz, params.nothing, params.n, nowhere.x) }}", "3"},
      {"{{ coalesce(params.zzz, params.nothing) }}", "null"},
      {"{{ params.n | exists }}", "true"},
      {"{{ params.nothing | exists }}", "true"},
      {"{{ steps.zzz.outputs.x | exists }}", "false"},
  });
}

TEST(Functions, ConversionsAreExactOrAnError) {
  check({
      {"{{ params.num | int }}", "42"},
      {"{{ '+5' | int }}", "5"},
      {"{{ '-5' | int }}", "-5"},
      {"{{ params.whole | int }}", "2"},
      {"{{ params.f | int }}",
       "error: int: `params.f` is no whole number; cut it with `| floor`, `| ceil` or `| round`"},
      {"{{ '1.0' | int }}", "error: int: `'1.0'` is text that is no integer of 64 bits"},
      {"{{ '9223372036854775808' | int }}",
       "error: int: `'9223372036854775808'` is text that is no integer of 64 bits"},
      {"{{ ' ' | int }}", "error: int: `' '` is empty text, no integer"},
      {"{{ true | int }}", "error: int: `true` is a boolean; it needs a number or text"},
      {"{{ '1.5e1' | float }}", "15"},
      {"{{ 3 | float }}", "3"},
      {"{{ 'inf' | float }}", "error: float: `'inf'` is text that is no number"},
      {"{{ '' | float }}", "error: float: `''` is empty text, no number"},
      {"{{ null | float }}", "error: float: `null` is null; it needs a number or text"},
      {"{{ ' true\n' | bool }}", "true"},
      {"{{ 'false' | bool }}", "false"},
      {"{{ false | bool }}", "false"},
      {"{{ 'yes' | bool }}", "error: bool: `'yes'` is text other than true and false"},
      {"{{ 1 | bool }}",
       "error: bool: `1` is an integer; it needs a boolean or the text true or false"},
      {"{{ 1.5 | string }}", R"("1.5")"},
      {"{{ 's' | string }}", R"("s")"},
      {"{{ [1] | string }}", R"("[1]")"},
      {"{{ null | string }}", "error: `null` is null, which has no text; add `| default('')`"},
      {"{{ 1.7 | floor }}", "1"},
      {"{{ 1.2 | ceil }}", "2"},
      {"{{ 1.5 | round }}", "2"},
      {"{{ 7 | round }}", "7"},
      {"{{ 1e300 | floor }}", "error: floor: `1e300` is beyond 64-bit integers"},
      {"{{ 'x' | floor }}", "error: floor: `'x'` is text; it needs a number"},
      {"{{ params.o | toJson }}", R"("{\"b\":2,\"a\":1}")"},
      {"{{ null | toJson }}", R"("null")"},
      {"{{ '[1, {\"a\": null}]' | fromJson }}", R"([1,{"a":null}])"},
      {"{{ 'x' | fromJson }}", "error: fromJson: `'x'` is text that is no JSON"},
      {"{{ 1 | fromJson }}", "error: fromJson: `1` is an integer; it needs text"},
      {"{{ 'hello' | base64 }}", R"("aGVsbG8=")"},
      {"{{ 1 | base64 }}",
       "error: base64: `1` is an integer; it needs text; convert it with `| toJson`"},
      {"{{ 'aGVs\nbG8=' | base64decode }}", R"("hello")"},
      {"{{ 'aGVsbG8' | base64decode }}", R"("hello")"},
      {"{{ 'a' | base64decode }}", "error: base64decode: `'a'` is text that is no base64"},
      {"{{ '/w==' | base64decode }}",
       "error: base64decode: `'/w=='` holds bytes that are no UTF-8 text"},
      {"{{ 1 | base64decode }}", "error: base64decode: `1` is an integer; it needs text"},
      {"{{ 'abc' | sha256 }}",
       R"("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")"},
      {"{{ 1 | sha256 }}",
       "error: sha256: `1` is an integer; it needs text; convert it with `| toJson`"},
      {"{{ [null | type, true | type, 1 | type, 1.5 | type, '' | type, [] | type, {} | type] }}",
       R"(["null","boolean","integer","number","string","list","object"])"},
  });
}

TEST(Functions, Texts) {
  check({
      {"{{ ' a b \n' | trim }}", R"("a b")"},
      {"{{ '  ' | trim }}", R"("")"},
      {"{{ 1 | trim }}", "error: trim: `1` is an integer; it needs text"},
      {"{{ 'aZé' | upper }}", "\"AZ\xc3\xa9\""},
      {"{{ 'aZ' | lower }}", R"("az")"},
      {"{{ [] | upper }}", "error: upper: `[]` is a list; it needs text"},
      {"{{ 'a,b,' | split(',') }}", R"(["a","b",""])"},
      {"{{ '' | split(',') }}", R"([""])"},
      {"{{ 'a' | split('') }}",
       "error: split: argument 1 is text; the separator is text that is not empty"},
      {"{{ ['a', 1, true] | join('-') }}", R"("a-1-true")"},
      {"{{ ['a', 'b'] | join }}", R"("ab")"},
      {"{{ [null] | join(',') }}",
       "error: join: `[null]` has an item that is null, which has no text"},
      {"{{ 'a' | join(',') }}", "error: join: `'a'` is text; it needs a list"},
      {"{{ ['a'] | join(1) }}", "error: join: argument 1 is an integer; the separator is text"},
      {"{{ 'aXbX' | replace('X', '--') }}", R"("a--b--")"},
      {"{{ 'aaa' | replace('aa', 'a') }}", R"("aa")"},
      {"{{ 'a' | replace('', 'b') }}", "error: replace: argument 1 is text; it is not empty"},
      {"{{ 'a' | replace('a', 1) }}", "error: replace: argument 2 is an integer; it is text"},
      {"{{ 'abc' | startsWith('ab') }}", "true"},
      {"{{ 'abc' | endsWith('ab') }}", "false"},
      {"{{ 1 | startsWith('1') }}", "error: startsWith: `1` is an integer; it needs text"},
      {"{{ 'a' | endsWith(1) }}", "error: endsWith: argument 1 is an integer; it is text"},
      {"{{ 'v1.20' | matches(`^v\\d+\\.\\d+$`) }}", "true"},
      {"{{ 'v1.x' | matches(`^v\\d+\\.\\d+$`) }}", "false"},
      {"{{ 'a' | matches('(') }}", "error: matches: pattern, at 2: `(` is not closed"},
      {"{{ 1 | matches('a') }}", "error: matches: `1` is an integer; it needs text"},
  });
}

TEST(Functions, ListsAndObjects) {
  check({
      {"{{ 'aé' | length }}", "2"},
      {"{{ params.list | length }}", "4"},
      {"{{ params.o | length }}", "2"},
      {"{{ 1 | length }}", "error: length: `1` is an integer; it needs text, a list or an object"},
      {"{{ params.list | first }}", "3"},
      {"{{ [1, 2] | last }}", "2"},
      {"{{ params.empty | first | default('none') }}", R"("none")"},
      {"{{ params.empty | last }}",
       "error: last: `params.empty` is an empty list; add `| default(...)`"},
      {"{{ params.o | keys }}", R"(["a","b"])"},
      {"{{ params.o | values }}", "[1,2]"},
      {"{{ [] | keys }}", "error: keys: `[]` is a list; it needs an object"},
      {"{{ [] | values }}", "error: values: `[]` is a list; it needs an object"},
      {"{{ params.list | contains(2) }}", "true"},
      {"{{ params.s | contains('ex') }}", "true"},
      {"{{ params.o | contains('z') }}", "false"},
      {"{{ 1 | contains(1) }}",
       "error: contains: looked for something in an integer; that needs a list, text or an object"},
      {"{{ params.list | sort }}", "[1,1,2,3]"},
      {"{{ params.words | sort }}", R"(["a","b"])"},
      {"{{ [1, 'a'] | sort }}", "error: sort: needs a list of numbers only, or of texts only"},
      {"{{ params.list | unique }}", "[3,1,2]"},
      {"{{ [1, 1.0, '1'] | unique }}", R"([1,"1"])"},
      {"{{ params.list | reverse }}", "[1,2,1,3]"},
      {"{{ params.list | max }}", "3"},
      {"{{ params.list | min }}", "1"},
      {"{{ max(1, 2.5, 2) }}", "2.5"},
      {"{{ [] | max }}", "error: max: `[]` is an empty list; add `| default(...)`"},
      {"{{ 1 | min }}", "error: min: `1` is an integer; it needs a list, or several values"},
      {"{{ min(1, 'a') }}", "error: min: needs a list of numbers only, or of texts only"},
      {"{{ params.list | sum }}", "7"},
      {"{{ [] | sum }}", "0"},
      {"{{ ['a'] | sum }}", "error: sum: `['a']` has an item that is no number"},
      {"{{ [1] | append(2, [3]) }}", "[1,2,[3]]"},
      {"{{ params.o | merge({b: 5, c: 6}) }}", R"({"b":5,"a":1,"c":6})"},
      {"{{ params.o | merge([]) }}", "error: merge: argument 1 is a list; it needs objects"},
      {"{{ params.list | slice(1, 3) }}", "[1,2]"},
      {"{{ params.list | slice(-2) }}", "[2,1]"},
      {"{{ params.list | slice(3, 1) }}", "[]"},
      {"{{ 'aéb' | slice(1, 2) }}", "\"\xc3\xa9\""},
      {"{{ 'abc' | slice(-9, 99) }}", R"("abc")"},
      {"{{ 'abc' | slice('x') }}", "error: slice: argument 1 is text; it is an integer"},
  });
}

TEST(Functions, Sha256OfLongTextsIsRight) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256_hex(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Functions, EachIsInTheDocumentation) {
  std::ifstream file("docs/expressions.md");
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  ASSERT_FALSE(text.empty());
  for (const Function& function : functions()) {
    std::string usage(function.usage);
    if (const auto bar = usage.find('|'); bar != std::string::npos) usage.insert(bar, "\\");
    EXPECT_NE(text.find("`" + usage + "`"), std::string::npos) << function.usage;
  }
}

}  // namespace
}  // namespace millrace::expression
