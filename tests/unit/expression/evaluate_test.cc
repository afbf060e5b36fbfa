#include "controllers/expression/evaluate.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/expression/support.h"

namespace millrace::expression {
namespace {

using codec::Value;

std::string condition(std::string_view text) {
  const auto parsed = Template::parse(text);
  if (!parsed.ok()) return "error: " + parsed.error().message;
  const auto value = evaluate_condition(*parsed, ValueScope(sample()));
  if (!value.ok()) return "error: " + value.error().message;
  return *value ? "yes" : "no";
}

TEST(Condition, MustBeBooleanAndTheErrorNamesTheCure) {
  const struct {
    const char* text;
    const char* want;
  } cases[] = {
      {"{{ params.n > 2 }}", "yes"},
      {" \n{{ params.n > 3 }}\n", "no"},
      {"true", "yes"},
      {" false ", "no"},
      {"{{ .Response.s.j.Body.t }}", "yes"},
      {"{{ if eq .Name `demo` }}true{{ else }}false{{ end }}", "yes"},
      {"params.n > 2",
       "error: a condition is true or false; this is plain text. Put it into {{ }}, such as {{ "
       "params.x == 'y' }}"},
      {"{{ params.yes }} && {{ params.yes }}",
       "error: a condition is true or false; this is text made of parts. Write one {{ }} around "
       "the whole condition"},
      {"{{ params.s }}",
       "error: a condition is true or false; this one is text; compare it, such as `!= ''`, or "
       "convert it with `| bool`"},
      {"{{ params.n }}",
       "error: a condition is true or false; this one is an integer; compare it, such as `!= 0`"},
      {"{{ params.nothing }}",
       "error: a condition is true or false; this one is null; compare it, such as `!= null`, or "
       "add `| default(false)`"},
      {"{{ params.list }}",
       "error: a condition is true or false; this one is a list; compare its length, such as `| "
       "length > 0`"},
      {"{{ params.zzz }}", "error: params.zzz: params has no key zzz"},
  };
  for (const auto& c : cases) EXPECT_EQ(condition(c.text), c.want) << c.text;
}

TEST(Template, SaysWhatItIs) {
  const struct {
    const char* text;
    bool literal;
    bool expression;
  } cases[] = {{"", true, false},
               {"x", true, false},
               {"{{ 1 }}", false, true},
               {"{{/* c */}}x", true, false},
               {"{{ 1 }} ", false, false},
               {"{{- 1 -}}", false, true},
               {"{{ 1 }}{{ 2 }}", false, false}};
  for (const auto& c : cases) {
    const auto parsed = Template::parse(c.text);
    ASSERT_TRUE(parsed.ok()) << c.text;
    EXPECT_EQ(parsed->is_literal(), c.literal) << c.text;
    EXPECT_EQ(parsed->is_expression(), c.expression) << c.text;
    EXPECT_EQ(parsed->text(), c.text);
  }
  EXPECT_TRUE(Template().is_literal());
}

TEST(Template, ReferencesSayPathPlaceAndWhetherTheyMayMiss) {
  const auto parsed = Template::parse(
      "{{ steps.a-b.outputs['x y'][0] | default(params.d) }} {{ matrix[params.key].z == run.name "
      "}} {{ (index .Response `s-1` `j`).Body.k }}");
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  std::string got;
  for (const Reference& r : parsed->references()) {
    got += to_string(r.path) + (r.complete ? "" : " ...") + (r.optional ? " optional" : "") + " @" +
           std::to_string(r.offset) + "\n";
  }
  EXPECT_EQ(got,
            "steps.a-b.outputs.'x y'[0] optional @3\n"
            "params.d @41\n"
            "matrix ... @57\n"
            "params.key @64\n"
            "run.name @81\n"
            "Response.s-1.j.body.k optional @96\n");
  EXPECT_EQ(parsed->references()[0].text, "steps.a-b.outputs['x y'][0]");
}

TEST(RootScope, ResolvesLazilyAndPassesErrorsOn) {
  RootScope scope;
  std::vector<std::string> asked;
  scope.set_resolver("steps", [&](std::span<const Segment> path) -> Result<Lookup> {
    asked.push_back(to_string({path.begin(), path.end()}));
    if (path.size() < 2) return fail(Code::NotFound, "name a step");
    if (path[1].name == "away") return fail(Code::Unavailable, "the store is away");
    if (path[1].name != "a") return fail(Code::NotFound, "there is no step " + path[1].name);
    return Lookup::owned(*Value::parse(R"({"x": [1, 2]})"), 2);
  });
  const auto get = [&](std::string_view text) -> std::string {
    const auto value = evaluate(*Template::parse(text), scope);
    return value.ok() ? value->dump()
                      : std::string(to_string(value.error().code)) + ": " + value.error().message;
  };
  EXPECT_EQ(get("{{ false && steps.b.x }}"), "false");
  EXPECT_TRUE(asked.empty());
  EXPECT_EQ(get("{{ steps.a.x[-1] }}"), "2");
  EXPECT_EQ(asked, std::vector<std::string>{"steps.a.x[-1]"});
  EXPECT_EQ(get("{{ steps.a }}"), R"({"x":[1,2]})");
  EXPECT_EQ(get("{{ steps.b.x }}"), "NotFound: steps.b.x: there is no step b");
  EXPECT_EQ(get("{{ steps.b.x | default(1) }}"), "1");
  EXPECT_EQ(get("{{ steps['b' + 'c'].x }}"),
            "NotFound: steps['b' + 'c'].x: there is no such value");
  EXPECT_EQ(get("{{ steps.away | default(1) }}"), "Unavailable: steps.away: the store is away");
}

std::string rendered(const char* json, Keys keys, Scope::Missing missing = Scope::Missing::Error) {
  const auto value = render(*Value::parse(json), ValueScope(sample(), missing), keys);
  return value.ok() ? value->dump() : "error: " + value.error().message;
}

TEST(Render, ReplacesEachStringOfADocument) {
  EXPECT_EQ(rendered(R"({"a": ["{{ params.n }}", "x{{ params.n }}", 1, null],
                         "{{ params.s }}": {"b": "{{ params.o }}"}})",
                     Keys::Keep),
            R"({"a":[3,"x3",1,null],"{{ params.s }}":{"b":{"b":2,"a":1}}})");
  EXPECT_EQ(rendered(R"({"{{ params.s }}": 1, "{{ params.n }}": 2})", Keys::Render),
            R"({"text":1,"3":2})");
  EXPECT_EQ(rendered(R"("{{ params.template }}")", Keys::Keep), R"("{{ params.n }}")");
}

TEST(Render, ErrorsNameTheField) {
  EXPECT_EQ(rendered(R"({"args": ["a", "{{ params.zzz }}"]})", Keys::Keep),
            "error: args[1]: params.zzz: params has no key zzz");
  EXPECT_EQ(rendered(R"({"a b": {"c": "{{ 1 + }}"}})", Keys::Keep),
            R"(error: ["a b"].c: column 8: expected a value, found `}`)");
  EXPECT_EQ(rendered(R"({"x": {"{{ params.s }}": 1, "text": 2}})", Keys::Render),
            "error: x: two keys are the same once they are rendered");
  EXPECT_EQ(rendered(R"({"{{ params.nothing }}": 1})", Keys::Render),
            "error: `a key` is null, which has no text; add `| default('')`");
}

TEST(Render, TemplatesOfADocumentForChecks) {
  const auto all = templates_of(
      *Value::parse(R"({"a": ["x", "{{ params.n }}"], "{{ 1 }}": {"b": "{{ }}"}})"), Keys::Render);
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].path, "a[1]");
  EXPECT_TRUE(all[0].content.ok());
  EXPECT_EQ(all[1].path, "");
  EXPECT_EQ(all[2].path, R"(["{{ 1 }}"].b)");
  EXPECT_EQ(all[2].content.error().message, "column 4: expected a value, found `}`");
}

std::string repeated(std::string_view piece, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += piece;
  return out;
}

TEST(Limits, DeepNestingIsRefusedWithoutTouchingTheStack) {
  const struct {
    const char* before;
    const char* middle;
    const char* after;
  } cases[] = {{"(", "1", ")"},          {"[", "1", "]"},     {"{a: ", "1", "}"},
               {"!", "true", ""},        {"- ", "1", ""},     {"a[", "1", "]"},
               {"max(", "1", ")"},       {"1 + (", "1", ")"}, {"true ? ", "1", " : 2"},
               {"true ? 1 : ", "2", ""}, {"", "1", " | int"}, {"(index .Response ", "`a`", ")"},
               {"(not ", ".Name", ")"}};
  for (const auto& c : cases) {
    const std::string text =
        "{{ " + repeated(c.before, 10'000) + c.middle + repeated(c.after, 10'000) + " }}";
    const auto parsed = Template::parse(text);
    ASSERT_FALSE(parsed.ok()) << c.before << c.after;
    EXPECT_NE(parsed.error().message.find("nested more than 64 deep"), std::string::npos)
        << c.before << c.after << ": " << parsed.error().message;
  }
  EXPECT_FALSE(Template::parse(repeated("{{ if .Name }}", 10'000)).ok());
  EXPECT_FALSE(Template::parse("{{ a" + repeated(".b", 10'000) + " }}").ok());
  EXPECT_EQ(run("{{ " + repeated("(", 60) + "1" + repeated(")", 60) + " }}"), "1");
}

TEST(Limits, LongChainsAreFineAndTooManyPartsAreNot) {
  EXPECT_EQ(run("{{ 0" + repeated(" + 1", 3000) + " }}"), "3000");
  EXPECT_EQ(run("{{ true" + repeated(" && true", 3000) + " }}"), "true");
  const auto parsed = Template::parse("{{ 0" + repeated(" + 1", 20'000) + " }}");
  ASSERT_FALSE(parsed.ok());
  EXPECT_NE(parsed.error().message.find("more than 10000 parts"), std::string::npos);
}

TEST(Limits, LongTextsPassAndLongerOnesAreRefused) {
  const Value roots = Value::object({{"s", std::string(1'000'000, 'a')}});
  const auto get = [&](const std::string& text) -> std::string {
    const auto value = evaluate(*Template::parse(text), ValueScope(roots));
    return value.ok() ? std::to_string(value->as_string().size()) : value.error().message;
  };
  EXPECT_EQ(get("{{ s }}"), "1000000");
  EXPECT_EQ(get("{{ s | upper }}"), "1000000");
  const std::string above =
      "this makes a value above 1048576 bytes, the most an expression may make";
  EXPECT_NE(get("{{ s + s }}").find(above), std::string::npos);
  EXPECT_NE(get("{{ s }}{{ s }}").find(above), std::string::npos);
  EXPECT_NE(get("{{ s | base64 }}").find(above), std::string::npos);
  EXPECT_NE(get("{{ s | split('a') }}").find(above), std::string::npos);
  EXPECT_NE(get("{{ [s, s] }}").find(above), std::string::npos);
}

TEST(Limits, GrowthThatDoublesIsStopped) {
  std::string text = "{{ 'aaaaaaaa'";
  for (int i = 0; i < 30; ++i) text += " | replace('a', 'aaaaaaaa')";
  EXPECT_NE(run(text + " }}").find("this makes a value above"), std::string::npos);
  std::string list = "{{ params.list";
  for (int i = 0; i < 20; ++i) list = list + " | append(params.o, params.list)";
  EXPECT_EQ(run(list + " }}").find("error"), std::string::npos);
}

TEST(Limits, WorkIsBounded) {
  Value::Array items;
  for (int i = 0; i < 5000; ++i) items.emplace_back(i);
  const Value roots =
      Value::object({{"list", Value(std::move(items))}, {"s", std::string(500'000, 'a')}});
  const std::string above = "this takes more work than an expression may do";
  for (const char* text : {"{{ list | unique }}", "{{ s | matches('(a|b|c|d|e|f|g)*x') }}",
                           "{{ s | contains(s + 'b') }}"}) {
    const auto value = evaluate(*Template::parse(text), ValueScope(roots));
    ASSERT_FALSE(value.ok()) << text;
    EXPECT_EQ(value.error().message.find(above) != std::string::npos, true)
        << text << ": " << value.error().message;
  }
  Limits tight;
  tight.work = 10;
  EXPECT_FALSE(evaluate(*Template::parse("{{ 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 }}"),
                        ValueScope(roots), tight)
                   .ok());
}

}  // namespace
}  // namespace millrace::expression
