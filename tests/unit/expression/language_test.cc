#include <gtest/gtest.h>

#include <string>

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

TEST(Language, AWholeExpressionKeepsItsTypeAndTextIsJoined) {
  check({
      {"", R"("")"},
      {"plain }} text", R"("plain }} text")"},
      {"{{ params.n }}", "3"},
      {"{{params.n}}", "3"},
      {"{{ params.f }}", "1.5"},
      {"{{ params.nothing }}", "null"},
      {"{{ params.o }}", R"({"b":2,"a":1})"},
      {"n={{ params.n }} f={{ params.f }} b={{ params.yes }} s={{ params.s }}",
       R"("n=3 f=1.5 b=true s=text")"},
      {" {{ params.n }}", R"(" 3")"},
      {"{{ params.n }}{{ params.n }}", R"("33")"},
      {"l={{ params.list }} o={{ params.o }}", R"("l=[3,1,2,1] o={\"b\":2,\"a\":1}")"},
      {"a {{- params.n -}} b", R"("a3b")"},
      {"a {{- 1 }} b {{ -1 }} {{-1}}", R"("a1 b -1 -1")"},
      {"a {{- /* note */ -}} b", R"("ab")"},
      {"{{/* }} */}}{{ params.n }}", "3"},
      {"{{ '{{ x }}' }}", R"("{{ x }}")"},
  });
}

TEST(Language, ValuesAreNeverEvaluatedAgain) {
  EXPECT_EQ(run("{{ params.template }}"), R"("{{ params.n }}")");
  EXPECT_EQ(run("x {{ params.template }}"), R"("x {{ params.n }}")");
}

TEST(Language, LiteralsOfAllTypes) {
  check({
      {"{{ 12 }}", "12"},
      {"{{ 1.25e2 }}", "125"},
      {"{{ -7 }}", "-7"},
      {"{{ 'a\\'b' }}", R"("a'b")"},
      {R"({{ "a\nb\u00e9" }})", "\"a\\nb\xc3\xa9\""},
      {"{{ `a\\n` }}", R"("a\\n")"},
      {"{{ true }}", "true"},
      {"{{ false }}", "false"},
      {"{{ null }}", "null"},
      {"{{ [1, 'x', [],] }}", R"([1,"x",[]])"},
      {"{{ {a: 1, 'b c': {d: {}}} }}", R"({"a":1,"b c":{"d":{}}})"},
      {"{{ {a: {b: 1}}}}", R"({"a":{"b":1}})"},
  });
}

TEST(Language, PathsReachEveryPart) {
  check({
      {"{{ params.list[0] }}", "3"},
      {"{{ params.list[-1] }}", "1"},
      {"{{ params.list.2 }}", "2"},
      {"{{ params.a-b }}", R"("dash")"},
      {"{{ params.'two words' }}", R"("quoted")"},
      {"{{ params[\"two words\"] }}", R"("quoted")"},
      {"{{ params.o[params.key] }}", "2"},
      {"{{ steps.my-step.outputs.x }}", R"("y")"},
      {"{{ (steps.fetch.outputs.json | fromJson).k[1] }}", "2"},
      {"{{ steps.fetch.outputs.json | fromJson.k[1] }}", "2"},
      {"{{ [5, 6][1] }}", "6"},
      {"{{ {a: 4}.a }}", "4"},
  });
}

TEST(Language, AMissingPathIsNamedWithTheMissingPart) {
  check({
      {"{{ params.zzz }}", "error: params.zzz: params has no key zzz"},
      {"{{ params.o.c.d }}", "error: params.o.c.d: params.o has no key c"},
      {"{{ params.list[4] }}", "error: params.list[4]: params.list has 4 items"},
      {"{{ params.list[-5] }}", "error: params.list[-5]: params.list has 4 items"},
      {"{{ params.s.x }}", "error: params.s.x: params.s is text, not an object"},
      {"{{ params.o[0] }}", "error: params.o[0]: params.o is an object, not a list"},
      {"{{ nowhere.x }}", "error: nowhere.x: there is no nowhere here"},
      {"{{ params.n-1 }}",
       "error: params.n-1: params has no key n-1 (a subtraction needs blanks around its -)"},
      {"{{ params.o[params.secret] }}", "error: params.o[params.secret]: params.o has no such key"},
      {"{{ params.o[1.5] }}", "error: column 13: an index is an integer or text"},
      {"{{ params.o[params.yes] }}",
       "error: params.o[params.yes]: `params.yes` is a boolean; an index is an integer or text"},
  });
}

TEST(Language, ComparisonsAndTheirErrors) {
  check({
      {"{{ 1 == 1.0 }}", "true"},
      {"{{ params.whole == 2 }}", "true"},
      {"{{ 'a' != 'b' }}", "true"},
      {"{{ 9007199254740993 == 9007199254740992.0 }}", "false"},
      {"{{ 2 < 10 }}", "true"},
      {"{{ '2' < '10' }}", "false"},
      {"{{ 1.5 >= 1 }}", "true"},
      {"{{ 3 <= 2 }}", "false"},
      {"{{ 3 > 2 }}", "true"},
      {"{{ [1, {a: 2}] == [1.0, {a: 2}] }}", "true"},
      {"{{ {a: 1, b: 2} == {b: 2, a: 1} }}", "true"},
      {"{{ params.nothing == null }}", "true"},
      {"{{ params.n == null }}", "false"},
      {"{{ params.n != null }}", "true"},
      {"{{ 1 in params.list }}", "true"},
      {"{{ '1' in params.list }}", "false"},
      {"{{ 'a' in params.o }}", "true"},
      {"{{ 'ex' in params.s }}", "true"},
      {"{{ params.num == 42 }}",
       "error: `params.num == 42`: cannot compare text with an integer; convert the text with `| "
       "int` or `| float`"},
      {"{{ 'true' == params.yes }}",
       "error: `'true' == params.yes`: cannot compare text with a boolean; convert the text with "
       "`| bool`"},
      {"{{ 1 < 'a' }}",
       "error: `1 < 'a'`: cannot compare an integer with text; convert the text with `| int` or `| "
       "float`"},
      {"{{ true < false }}",
       "error: `true < false`: a boolean has no order; `<` and the like need numbers or texts"},
      {"{{ 1 in 'a' }}",
       "error: `1 in 'a'`: looked for an integer in text; only text can be in it"},
      {"{{ 1 in 2 }}",
       "error: `1 in 2`: looked for something in an integer; that needs a list, text or an object"},
      {"{{ 1 < 2 < 3 }}", "error: column 10: comparisons do not chain; join them with `&&`"},
      {"{{ 1 = 2 }}", "error: column 6: one `=` means nothing here; compare with `==`"},
  });
}

TEST(Language, LogicShortCircuitsAndWantsBooleans) {
  check({
      {"{{ true && false }}", "false"},
      {"{{ true && true && true }}", "true"},
      {"{{ false || true }}", "true"},
      {"{{ false || false }}", "false"},
      {"{{ false && nowhere.x }}", "false"},
      {"{{ true || nowhere.x }}", "true"},
      {"{{ !true }}", "false"},
      {"{{ !!true }}", "true"},
      {"{{ params.yes ? 'a' : nowhere.x }}", R"("a")"},
      {"{{ !params.yes ? nowhere.x : params.n > 5 ? 'b' : 'c' }}", R"("c")"},
      {"{{ params.s && true }}",
       "error: `&&` needs a boolean; `params.s` is text; compare it, such as `!= ''`, or convert "
       "it with `| bool`"},
      {"{{ false || params.n }}",
       "error: `||` needs a boolean; `params.n` is an integer; compare it, such as `!= 0`"},
      {"{{ !params.nothing }}",
       "error: `!` needs a boolean; `params.nothing` is null; compare it, such as `!= null`, or "
       "add `| default(false)`"},
      {"{{ params.list ? 1 : 2 }}",
       "error: `?` needs a boolean; `params.list` is a list; compare it"},
  });
}

TEST(Language, PrecedenceFromLooseToTight) {
  check({
      {"{{ true || false && false }}", "true"},
      {"{{ (true || false) && false }}", "false"},
      {"{{ 1 + 2 * 3 }}", "7"},
      {"{{ (1 + 2) * 3 }}", "9"},
      {"{{ 10 - 2 - 3 }}", "5"},
      {"{{ 1 + 1 == 2 && 3 > 2 }}", "true"},
      {"{{ params.num | int > 41 }}", "true"},
      {"{{ !params.blank | exists }}", "false"},
      {"{{ 1 + '2' | int }}", "3"},
      {"{{ -params.num | int }}", "-42"},
      {"{{ 1 == 1 ? 'y' : 'n' }}", R"("y")"},
      {"{{ (1 == 1) | string }}", R"("true")"},
  });
}

TEST(Language, ArithmeticIsExactOrAnError) {
  check({
      {"{{ 7 / 2 }}", "3"},
      {"{{ -7 / 2 }}", "-3"},
      {"{{ 7 / 2.0 }}", "3.5"},
      {"{{ 7 % 3 }}", "1"},
      {"{{ params.n - 1 }}", "2"},
      {"{{ 'a' + 'b' }}", R"("ab")"},
      {"{{ 9223372036854775807 + 1 }}",
       "error: `9223372036854775807 + 1`: the result is beyond 64-bit integers"},
      {"{{ (-9223372036854775807 - 1) / -1 }}",
       "error: `-9223372036854775807 - 1) / -1`: the result is beyond 64-bit integers"},
      {"{{ (-9223372036854775807 - 1) % -1 }}", "0"},
      {"{{ 1 / 0 }}", "error: `1 / 0`: division by zero"},
      {"{{ 1 / 0.0 }}", "error: `1 / 0.0`: division by zero"},
      {"{{ 1e308 * 10 }}", "error: `1e308 * 10`: the result is beyond the numbers"},
      {"{{ 1.5 % 2 }}", "error: `1.5 % 2`: `%` needs two integers"},
      {"{{ 'a' - 1 }}", "error: `'a' - 1`: `-` between text and an integer; it needs two numbers"},
      {"{{ 'a' + 1 }}",
       "error: `'a' + 1`: `+` between text and an integer; it needs two numbers or two texts"},
      {"{{ 99999999999999999999 }}", "error: column 4: the number is out of range"},
      {"{{ 1e999 }}", "error: column 4: the number is out of range"},
  });
}

TEST(Language, SyntaxErrorsNameThePlace) {
  check({
      {"{{", "error: column 3: expected a value, found the end"},
      {"{{ }}", "error: column 4: expected a value, found `}`"},
      {"a {{ params.n", "error: column 14: `{{` is not closed with `}}`"},
      {"{{ params.n } }", "error: column 13: expected an operator or `}}`, found `}`"},
      {"{{ params.n params.f }}", "error: column 13: expected an operator or `}}`, found `params`"},
      {"a\nb {{ 'x }}", "error: line 2, column 6: the quote is not closed"},
      {"{{ (1 }}", "error: column 7: expected `)` to close the parenthesis, found `}`"},
      {"{{ [1 2] }}", "error: column 7: expected `,` or `]` in a list, found `2`"},
      {"{{ {a 1} }}", "error: column 7: expected `:` after a key of an object, found `1`"},
      {"{{ {a: 1, a: 2} }}", "error: column 11: the key is there twice"},
      {"{{ {1: 2} }}", "error: column 5: expected a key of an object, found `1`"},
      {"{{ a.(b) }}", "error: column 6: expected a name after `.`, found `(`"},
      {"{{ 1 + }}", "error: column 8: expected a value, found `}`"},
      {"{{ true ? 1 }}",
       "error: column 13: expected `:` between the two choices of `? :`, found "
       "`}`"},
      {"{{ 1abc }}", "error: column 4: a name cannot begin with a digit; put it in quotes"},
      {"{{ '\\q' }}",
       "error: column 6: unknown escape; known are \\\\ \\' \\\" \\n \\r \\t \\uXXXX, and `text` "
       "has none"},
      {"{{ # }}", "error: column 4: this character has no meaning here"},
      {"{{ params.n | }}",
       "error: column 15: expected the name of a function after `|`, found `}`"},
      {"{{ params.n | zzz }}", "error: column 15: unknown function zzz"},
      {"{{ params.n | toInt }}", "error: column 15: unknown function toInt; did you mean int?"},
      {"{{ params.n | TRIM }}", "error: column 15: unknown function TRIM; did you mean trim?"},
      {"{{ params.n | split }}",
       "error: column 4: split: wrong number of arguments; write `text | split(separator)`"},
      {"{{/* x }}", "error: column 3: the comment is not closed"},
  });
}

TEST(Language, NullHasNoTextAndTheErrorNamesTheCure) {
  EXPECT_EQ(run("x {{ params.nothing }}"),
            "error: `params.nothing` is null, which has no text; add `| default('')`");
}

TEST(Language, ErrorsNeverShowAValue) {
  for (const char* text :
       {"{{ params.secret | int }}", "{{ params.secret | bool }}", "{{ params.secret < 1 }}",
        "{{ params.secret && true }}", "{{ params.secret | fromJson }}", "{{ params.secret.x }}",
        "{{ params[params.secret] }}", "{{ steps[params.secret].outputs }}",
        "{{ params.secret | base64decode }}", "{{ params.secret + 1 }}",
        "{{ [params.secret, 1] | sort }}", "{{ [params.secret] | sum }}",
        "{{ params.s | matches(params.secret + '(') }}", "{{ {a: params.secret} | join }}"}) {
    const std::string got = run(text);
    EXPECT_TRUE(got.starts_with("error: ")) << text << " gives " << got;
    EXPECT_EQ(got.find("hunter"), std::string::npos) << got;
  }
}

TEST(Language, AScopeMayTakeMissingForEmpty) {
  EXPECT_EQ(run("{{ params.zzz.y }}", Scope::Missing::Empty), R"("")");
  EXPECT_EQ(run("[{{ nowhere }}]", Scope::Missing::Empty), R"("[]")");
  EXPECT_EQ(run("{{ params.zzz | default(1) }}", Scope::Missing::Empty), "1");
  EXPECT_EQ(run("{{ params.zzz | exists }}", Scope::Missing::Empty), "false");
}

}  // namespace
}  // namespace millrace::expression
