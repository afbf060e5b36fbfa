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

TEST(OldSpelling, ValuesArriveAsText) {
  check({
      {"{{ .Name }}", R"("demo")"},
      {"{{ $.Name }}", R"("demo")"},
      {"{{ .Stages }}", R"("[one two]")"},
      {"{{ .Time.Start }}/{{ .Time.Total }}", R"("now/12")"},
      {"{{ .Response.s.j.Status }}", R"("200")"},
      {"{{ .Response.s.j.Headers }}", R"("map[X-A:[v]]")"},
      {"{{ .Response.s.j.Body.key }}", R"("value")"},
      {"{{ .Response.s.j.Body.n }}", R"("12345678901")"},
      {"{{ .Response.s.j.Body.t }}", R"("true")"},
      {"{{ .Response.s.j.Body.list }}", R"("[1 x]")"},
      {"{{ .Response.s.j.Body.map }}", R"("map[k:v z:1]")"},
      {"{{ .Response.s.j.Body.html }}", R"("<a & \"b\">")"},
      {"a{{- .Name -}} b", R"("ademob")"},
  });
}

TEST(OldSpelling, MissingAndNullAreEmpty) {
  check({
      {"{{ .Response.s.j.Body.zzz.deep }}", R"("")"},
      {"{{ .Response.zzz.j.Body.key }}", R"("")"},
      {"[{{ .Response.s.j.Body.null }}]", R"("[]")"},
      {"{{ .Response.s.j.Body.key.deeper }}", R"("")"},
      {"{{ .Response.s.j.Body.zzz | default `d` }}", R"("d")"},
      {"{{ .Response.s.j.Body.key | default `d` }}", R"("value")"},
  });
}

TEST(OldSpelling, IndexReachesNamesWithDashes) {
  check({
      {"{{ index .Response.s.j.Headers `X-A` }}", R"("[v]")"},
      {"{{ index .Response.s.j.Headers `X-A` 0 }}", R"("v")"},
      {"{{ (index .Response `my-stage` `my-job`).Body.k }}", R"("deep")"},
      {"{{ (index .Response `my-stage` `my-job`).Status | toInt }}", "500"},
      {"{{ index .Response .Name `x` }}", R"("")"},
  });
}

TEST(OldSpelling, AConversionAtTheEndKeepsTheType) {
  check({
      {"{{ .Response.s.j.Body.n | toInt }}", "12345678901"},
      {"{{ .Response.s.j.Body.t | toBool }}", "true"},
      {"{{ .Response.s.j.Body.list | toJson }}", R"([1,"x"])"},
      {"x{{ .Response.s.j.Body.list | toJson }}", R"("x[1,\"x\"]")"},
      {"x{{ .Response.s.j.Body.n | toInt }}", R"("x12345678901")"},
      {"{{ .Response.s.j.Body.list | toJson | html }}", R"("[1,&#34;x&#34;]")"},
      {"{{ .Response.s.j.Body.key | toInt }}",
       "error: toInt: `.Response.s.j.Body.key` is text that is no integer of 64 bits"},
  });
}

TEST(OldSpelling, IfAndTheFunctionsOfGo) {
  check({
      {"{{ if eq .Response.s.j.Body.key `value` }}1024{{ else }}256{{ end }}", R"("1024")"},
      {"{{ if eq .Response.s.j.Body.zzz `value` }}1024{{ else }}256{{ end }}", R"("256")"},
      {"{{ if .Response.s.j.Body.zzz }}a{{ else if ne .Name `x` }}b{{ else }}c{{ end }}!",
       R"("b!")"},
      {"{{ if and .Name .Response.s.j.Body.t }}y{{ end }}", R"("y")"},
      {"{{ if or .Response.zzz (not .Name) }}y{{ end }}", R"("")"},
      {"{{ if lt .Response.s.j.Status 300 }}ok{{ end }}", R"("ok")"},
      {"{{ len .Stages }}", R"("2")"},
      {"{{ print .Name 1 2 }}", R"("demo1 2")"},
      {"{{ printf `%s=%v %d%%` .Name true 3 }}", R"("demo=true 3%")"},
      {"{{ html .Response.s.j.Body.html }}", R"("&lt;a &amp; &#34;b&#34;&gt;")"},
      {"{{ urlquery `a b&c` }}", R"("a+b%26c")"},
      {"{{ lt .Name 1 }}", "error: lt: cannot compare text with an integer"},
      {"{{ printf `%d` .Name }}", "error: printf: %d does not fit text; use %v"},
      {"{{ printf `%5d` 1 }}",
       "error: printf: only %s %v %d %t %f %g %q and %% are known, without width"},
      {"{{ printf `%d` }}", "error: printf: there are fewer arguments than verbs"},
      {"{{ printf `x` 1 }}", "error: printf: there are more arguments than verbs"},
  });
}

TEST(OldSpelling, WhatIsNotSupportedIsNamedWithTheWayToWriteIt) {
  check({
      {"{{ .Foo }}",
       "error: column 4: there is no field .Foo; the old spelling has .Response, .Name, .Stages "
       "and .Time. To write two braces as text: {{ '{{' }}"},
      {"{{ .Response.s.j.Foo }}", "error: column 4: a response has .Status, .Headers and .Body"},
      {"{{ .Time.x }}", "error: column 4: .Time has .Start and .Total"},
      {"{{ . }}", "error: column 4: `.` alone is not supported; name a field, such as .Response"},
      {"{{ $x := .Name }}",
       "error: column 4: variables are not supported; write the path where it is used"},
      {"{{ with .Name }}x{{ end }}",
       "error: column 1: `with` is not supported; write `{{ if .X }}{{ .X }}{{ end }}`"},
      {"{{ if .Name }}x", "error: column 1: `if` without `{{ end }}`"},
      {"{{ end }}", "error: column 1: `end` without `if`"},
      {"{{ if .Name }}{{ else }}{{ else }}{{ end }}", "error: column 25: `else` after `else`"},
      {"{{ .Name `x` }}", "error: column 4: this is no function, so nothing can follow it"},
      {"{{ eq .Name }}", "error: column 4: eq: wrong number of arguments; write `eq X Y`"},
  });
  EXPECT_TRUE(run("{{ range .Stages }}x{{ end }}").starts_with("error: column 1: `range` is not"));
  EXPECT_TRUE(run("{{ call .Name }}").starts_with("error: column 4: unknown function call in the"));
}

}  // namespace
}  // namespace millrace::expression
