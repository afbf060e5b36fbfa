/// The templates of conveyor-belt files. Tables marked "measured" hold what Go 1.26's text/template
/// gives for the same text and root, `<no value>` being the empty text.
#include "controllers/expression/go_template.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "kubeclient/codec/yaml.h"

namespace millrace::expression {
namespace {

using codec::Value;
using Limits = GoTemplate::Limits;
using Spelling = GoTemplate::Spelling;

const Value& root() {
  static const Value value = *Value::parse(R"({
    "Name": "thumbnails", "Stages": ["fetch", "convert", "audit"],
    "Response": {
      "fetch": {
        "picture": {"Status": 200, "Headers": {"Etag": ["\"33a\""], "X-A": ["1", "2"]}, "Body": {
          "location": "s3://b/42", "big": 12345678901, "million": 1000000, "half": 1.5, "two": 2,
          "yes": true, "null": null, "list": [1, "x", null], "object": {"k": "v", "a": 1}, "zero": 0,
          "empty": "", "none": [], "Größe": "XL", "digits": " 42 ", "word": "true",
          "nasty": "a\"b\\c\n<d>&'+{{ .Name }}"}},
        "owner": {"Status": 200, "Headers": {}, "Body": {"plan": "pro", "mail": "a@b"}},
        "text": {"Status": 204, "Headers": {}, "Body": null}},
      "convert": {"small": {"Status": 201, "Headers": {}, "Body": {"url": "http://x/1"}}},
      "my-stage": {"my job": {"Status": 500, "Headers": {}, "Body": {"k": "v"}}}},
    "Time": {"Start": "2026-01-02T03:04:05.678Z", "Total": 12}})");
  return value;
}

/// The value, or the message of whatever refuses it.
Value rendered(const std::string& text, Spelling spelling = Spelling::Json) {
  const auto parsed = GoTemplate::parse(text);
  if (!parsed.ok()) return Value("PARSE " + parsed.error().message);
  auto out = parsed->render(root(), Limits(), spelling);
  return out.ok() ? *out : Value("RENDER " + out.error().message);
}

struct Row {
  const char* text;
  const char* want;
};

TEST(GoTemplate, GivesWhatTheTableOfTheSourceSystemSays) {
  const Row rows[] = {
      // Root object.
      {"{{ .Name }}", "thumbnails"},
      {"{{ index .Stages 1 }}", "convert"},
      {"{{ .Time.Start }} {{ .Time.Total }}", "2026-01-02T03:04:05.678Z 12"},
      // Response.
      {"{{ .Response.fetch.picture.Status }}", "200"},
      {"{{ .Response.fetch.picture.Body.location }}", "s3://b/42"},
      {"{{ index (index .Response.fetch.picture.Headers `X-A`) 1 }}", "2"},
      {"{{ index .Response.fetch.picture.Headers `X-A` 0 }}", "1"},
      // Missing stage, job, key, nested key, or null.
      {"{{ .Response.no.such.Status }}", ""},
      {"{{ .Response.fetch.no.Body.k }}", ""},
      {"{{ .Response.fetch.picture.Body.no }}", ""},
      {"{{ .Response.fetch.picture.Body.no.such.key }}", ""},
      {"{{ .Response.fetch.picture.Body.null }}", ""},
      {"{{ .Response.fetch.picture.Body.null.k }}", ""},
      {"{{ .Response.fetch.text.Body.k }}", ""},
      {"{{ (index .Response `no` `such`).Body.k }}", ""},
      {"{{ index .Response.fetch.picture.Headers `Nope` }}", ""},
      {"{{ index .Response.fetch.picture.Headers `Nope` 0 }}", ""},
      // Types.
      {"{{ .Response.fetch.picture.Body.two }}", "2"},
      {"{{ .Response.fetch.picture.Body.yes }}", "true"},
      {"{{ .Response.fetch.picture.Body.half }}", "1.5"},
      {"{{ .Response.fetch.picture.Body.big }}", "12345678901"},
      {"{{ .Response.fetch.picture.Body.list }}", R"([1,"x",null])"},
      {"{{ .Response.fetch.picture.Body.object }}", R"({"k":"v","a":1})"},
      // No escaping, and nothing is evaluated again.
      {"{{ .Response.fetch.picture.Body.nasty }}", "a\"b\\c\n<d>&'+{{ .Name }}"},
      // Names with hyphens and spaces.
      {"{{ (index .Response `my-stage` `my job`).Body.k }}", "v"},
      {"{{ .Response.fetch.picture.Body.Größe }}", "XL"},
      // Double quotes can be used, as each string is rendered alone.
      {R"({{ index .Response.fetch.picture.Body "location" }})", "s3://b/42"},
      // White space and comments.
      {"a {{- .Name -}} b", "athumbnailsb"},
      {"a {{/* a comment }} */}} b", "a  b"},
  };
  for (const Row& row : rows)
    EXPECT_EQ(rendered(row.text).dump(), Value(row.want).dump()) << row.text;
}

TEST(GoTemplate, SpellsValuesAsTheOldProgramWhenAsked) {
  const Row rows[] = {
      // Measured.
      {"{{ .Response.fetch.picture.Body.big }}", "1.2345678901e+10"},
      {"{{ .Response.fetch.picture.Body.million }}", "1e+06"},
      {"{{ .Response.fetch.picture.Body.half }}", "1.5"},
      {"{{ .Response.fetch.picture.Body.list }}", "[1 x <nil>]"},
      {"{{ .Response.fetch.picture.Body.object }}", "map[a:1 k:v]"},
      {"{{ index .Response.fetch.picture.Headers `Etag` }}", "[\"33a\"]"},
      {"{{ .Response.fetch.picture.Headers }}", "map[Etag:[\"33a\"] X-A:[1 2]]"},
      {"{{ .Stages }}", "[fetch convert audit]"},
      {"{{ 123456.5 }} {{ 1234567.0 }} {{ 0.0001 }} {{ 0.00001 }}",
       "123456.5 1.234567e+06 0.0001 1e-05"},
  };
  for (const Row& row : rows)
    EXPECT_EQ(rendered(row.text, Spelling::Go).dump(), Value(row.want).dump()) << row.text;
  EXPECT_EQ(rendered("{{ -9223372036854775808 }}", Spelling::Go), Value("-9.223372036854776e+18"));
  EXPECT_EQ(rendered("{{ 1e6 }} {{ 1e20 }} {{ 1e21 }} {{ 0.000001 }} {{ 1e-7 }}"),
            Value("1000000 100000000000000000000 1e+21 0.000001 1e-07"));
}

TEST(GoTemplate, ControlsTheFlowAsGo) {
  const Row measured[] = {
      {"{{ if eq .Response.fetch.owner.Body.plan `pro` }}1024{{ else }}256{{ end }}", "1024"},
      {"{{ if .Response.fetch.owner.Body.nope }}a{{ end }}", ""},
      {"{{ if 0 }}a{{ else if `` }}b{{ else if .Name }}c{{ else }}d{{ end }}", "c"},
      {"{{ with .Response.fetch.owner.Body }}{{ .plan }} {{ $.Name }}{{ end }}", "pro thumbnails"},
      {"{{ with .Response.fetch.picture.Body.zero }}a{{ else }}{{ .Name }}{{ end }}", "thumbnails"},
      {"{{ with 0 }}a{{ else with .Name }}{{ . }}{{ end }}", "thumbnails"},
      {"{{ with $x := 5 }}{{ $x }}{{ end }}", "5"},
      {"{{ range .Stages }}<{{ . }}>{{ end }}", "<fetch><convert><audit>"},
      {"{{ range $i, $e := .Stages }}{{ if $i }}, {{ end }}{{ $i }}:{{ $e }}{{ end }}",
       "0:fetch, 1:convert, 2:audit"},
      {"{{ range $k, $v := .Response.fetch.picture.Body.object }}{{ $k }}={{ $v }};{{ end }}",
       "a=1;k=v;"},
      {"{{ range $x := .Response.fetch.picture.Body.object }}{{ $x }};{{ end }}", "1;v;"},
      {"{{ range .Response.fetch.picture.Body.none }}a{{ else }}b{{ end }}", "b"},
      {"{{ range .Response.fetch.picture.Body.nope }}a{{ else }}b{{ end }}", "b"},
      {"{{ range 3 }}{{ . }}{{ end }}{{ range $i := 2 }}{{ $i }}{{ end }}", "01201"},
      {"{{ range .Stages }}{{ if eq . `convert` }}{{ break }}{{ end }}{{ . }}{{ end }}", "fetch"},
      {"{{ range .Stages }}{{ if eq . `convert` }}{{ continue }}{{ end }}{{ . }},{{ end }}",
       "fetch,audit,"},
      {"{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}", "2"},
      {"{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ $x }}{{ end }}{{ $x }}", "21"},
      {"{{ $x := `a` }}{{ $x := print $x `b` }}{{ $x }}", "ab"},
      {"{{ if $x := .Name }}{{ $x }}{{ else if $y := 1 }}{{ $y }}{{ end }}", "thumbnails"},
      {"{{- /* c */ -}} a {{ 1 -}} \n b {{- 2 }} c", "a 1b2 c"},
      {"{{-1}}{{- 1 }}{{ 2 -}} x", "-112x"},
      {"{{}", "PARSE at byte 2: unexpected character '}'; an action ends with }}"},
      {"}} { {", "}} { {"},
      {"{{ `{{` }}", "{{"},
  };
  for (const Row& row : measured)
    EXPECT_EQ(rendered(row.text).dump(), Value(row.want).dump()) << row.text;
}

TEST(GoTemplate, HasTheFunctionsOfGo) {
  const Row measured[] = {
      {"{{ and 1 0 2 }} {{ or 0 `` `x` }} {{ not 0 }} {{ 1 | and 2 }}", "0 x true 1"},
      {"{{ or true (index .Stages 99) }}", "true"},
      {"{{ eq 3 1 2 3 }} {{ eq `a` `b` }} {{ ne 1 2 }} {{ eq true true }}", "true false true true"},
      {"{{ lt 1 2 }} {{ le 2 2 }} {{ gt `b` `a` }} {{ ge 1 2 }}", "true true true false"},
      {"{{ eq .Response.fetch.owner.Body.nope `x` }} {{ ne .Response.fetch.owner.Body.nope `x` }}",
       "false true"},
      {"{{ eq .Response.fetch.owner.Body.nope .Response.fetch.owner.Body.nope2 }}", "true"},
      {"{{ len .Name }} {{ len .Stages }} {{ len .Response.fetch.picture.Body.object }}", "10 3 2"},
      {"{{ index .Name 0 }} {{ slice .Name 1 3 }} {{ slice .Stages 1 }}",
       "116 hu [\"convert\",\"audit\"]"},
      {"{{ index .Response.fetch.owner.Body `plan` | len | printf `%03d` }}", "003"},
      {"{{ print 1 2 `a` 3 4 }}{{ println 1 `a` }}{{ print }}", "1 2a3 41 a\n"},
      {R"({{ "x" | printf "%s-%s" "y" }})", "y-x"},
      {R"({{ printf "%d|%5d|%-5d|%05d|%+d|%x|%X|%o|%b" 5 5 5 -5 5 255 255 8 5 }})",
       "5|    5|5    |-0005|+5|ff|FF|10|101"},
      {R"({{ printf "%5s|%-5s|%.2s|%x|%q|%v|%t|%%" "ab" "ab" "abc" "hi" "q\"\n\x01ü" "s" true }})",
       "   ab|ab   |ab|6869|\"q\\\"\\n\\x01ü\"|s|true|%"},
      {R"({{ printf "%f %.2f %6.1f %e %g %g %.3g" 1.5 1.5 1.25 1.5 1.5 1234567.0 1234.5 }})",
       "1.500000 1.50    1.2 1.500000e+00 1.5 1.234567e+06 1.23e+03"},
      {R"({{ html "<a href='x'>&\"" }})", "&lt;a href=&#39;x&#39;&gt;&amp;&#34;"},
      {R"({{ js "it's \"<x>\"=&\n\\" }})",
       "it\\'s \\\"\\u003Cx\\u003E\\\"\\u003D\\u0026\\u000A\\\\"},
      {R"({{ urlquery "a b&c/ü~" }})", "a+b%26c%2F%C3%BC~"},
      {"{{ 0x1F }} {{ 1_000 }} {{ -5 }} {{ +5 }} {{ .5 }} {{ 0b11 }} {{ 0o17 }} {{ 017 }} {{ 1.50 "
       "}}",
       "31 1000 -5 5 0.5 3 15 15 1.5"},
      {R"({{ "\a\x41\u00fc\101\t\\\"" }})", "\aA\u00fcA\t\\\""},
      {"{{ true }} {{ false }} {{ eq nil .Response.fetch.owner.Body.nope }}", "true false true"},
  };
  for (const Row& row : measured)
    EXPECT_EQ(rendered(row.text).dump(), Value(row.want).dump()) << row.text;
}

TEST(GoTemplate, IsMoreLenientThanGoWhereGoSendsNonsenseOrFails) {
  const Row rows[] = {
      // All numbers of a body are floats in Go, which do not compare with whole numbers.
      {"{{ eq .Response.fetch.picture.Body.two 2 }} {{ lt 1 1.5 }}", "true true"},
      {"{{ printf `%d` .Response.fetch.picture.Body.two }}", "2"},
      {"{{ index .Stages .Response.fetch.picture.Body.two }}", "audit"},
      {"{{ printf `%s` 5 }}", "5"},
      // What is missing is the empty text everywhere.
      {"{{ print .Response.fetch.owner.Body.nope }}", ""},
      {"{{ printf `%s|%v|%d|%3s|%q` $.Response.a.b.Body $.Response.a.b.Body $.Response.a.b.Body "
       "$.Response.a.b.Body $.Response.a.b.Body }}",
       "|||   |\"\""},
      {"{{ len .Response.fetch.owner.Body.nope }}", "0"},
  };
  for (const Row& row : rows)
    EXPECT_EQ(rendered(row.text).dump(), Value(row.want).dump()) << row.text;
}

TEST(GoTemplate, KeepsTheTypeOnlyOfASingleActionThatEndsInAConversion) {
  const struct {
    const char* text;
    Value want;
  } rows[] = {
      {"{{ .Response.fetch.picture.Body.yes | toBool }}", true},
      {"{{ .Response.fetch.picture.Body.word | toBool }}", true},
      {"{{ eq .Name `x` | toBool }}", false},
      {"{{ .Response.fetch.picture.Body.two | toInt }}", 2},
      {"{{ .Response.fetch.picture.Body.digits | toInt }}", 42},
      {"{{ toInt .Response.fetch.picture.Body.big }}", std::int64_t{12345678901}},
      {"{{ or .Response.fetch.owner.Body.nope 7 | toInt }}", 7},
      {"{{ 2.0 | toInt }}", 2},
      {"{{ `+3` | toInt }}", 3},
      {"{{- .Response.fetch.picture.Body.object | toJson -}} ",
       Value::object({{"k", "v"}, {"a", 1}})},
      {"{{ .Response.fetch.picture.Body.half | toJson }}", 1.5},
      {"{{ .Name | toJson }}", "thumbnails"},
      {"{{ .Response.fetch.owner.Body.nope | toJson }}", nullptr},
      {"{{ slice .Stages 2 | toJson }}", Value::array({"audit"})},
      {"{{ .Response.fetch.picture.Body.two }}", "2"},
      {"{{ .Response.fetch.picture.Body.two | toInt | print }}", "2"},
      {" {{ .Response.fetch.picture.Body.two | toInt }}", " 2"},
      {"{{ if true }}{{ 2 | toInt }}{{ end }}", "2"},
      {"{{ .Name | toJson }},{{ .Stages | toJson }},{{ .Response.a.b.Body | toJson }}",
       R"("thumbnails",["fetch","convert","audit"],null)"},
  };
  for (const auto& row : rows) EXPECT_EQ(rendered(row.text).dump(), row.want.dump()) << row.text;
}

TEST(GoTemplate, KnowsItsShape) {
  const struct {
    const char* text;
    bool literal;
    bool single;
  } rows[] = {
      {"", true, false},
      {"text }} only", true, false},
      {"a{{/* c */}}b", true, false},
      {"{{ .Name }}", false, true},
      {"{{- .Name -}} ", false, true},
      {"{{ .Name }} ", false, false},
      {"{{ $x := 1 }}", false, false},
      {"{{ if 1 }}{{ end }}", false, false},
      {"{{ 1 }}{{ 2 }}", false, false},
  };
  for (const auto& row : rows) {
    const auto parsed = GoTemplate::parse(row.text);
    ASSERT_TRUE(parsed.ok()) << row.text;
    EXPECT_EQ(parsed->is_literal(), row.literal) << row.text;
    EXPECT_EQ(parsed->is_single_action(), row.single) << row.text;
  }
  EXPECT_TRUE(GoTemplate().is_literal());
  EXPECT_EQ(*GoTemplate().render(root()), Value(""));
  EXPECT_EQ(rendered("a{{/* c */}}b"), Value("ab"));
}

TEST(GoTemplate, RefusesWithThePlaceAndWhatToWriteInstead) {
  const Row rows[] = {
      {"{{ .Name", "at byte 0: this {{ has no }} behind it; literal braces are written {{ `{{` }}"},
      {"ab {{ }}", "at byte 6: a value is missing here"},
      {"{{ if }}x{{ end }}", "at byte 6: if without a value"},
      {"{{ .Foo }}",
       "at byte 3: there is no field Foo at the top; there are .Name, .Stages, .Response and "
       ".Time"},
      {"{{ range .Stages }}{{ $.Foo }}{{ end }}",
       "at byte 22: there is no field Foo at the top; there are .Name, .Stages, .Response and "
       ".Time"},
      {"{{ .Response.a.b.body.k }}",
       "at byte 3: a response has no field body; there are Status, Headers and Body: "
       ".Response.stage.job.Body.key"},
      {"{{ with .Response.a.b }}{{ .Foo }}{{ end }}",
       "at byte 27: a response has no field Foo; there are Status, Headers and Body: "
       ".Response.stage.job.Body.key"},
      {"{{ .Response.a.b.Status.x }}", "at byte 3: Status is a number; cut the path there"},
      {"{{ .Name.x }}", "at byte 3: Name is text and has no fields; write {{ .Name }}"},
      {"{{ .Stages.x }}", "at byte 3: Stages is a list; write {{ index .Stages 0 }} or use range"},
      {"{{ .Time.Now }}",
       "at byte 3: Time has no field Now; there are .Time.Start and .Time.Total"},
      {"{{ .Time.Start.Unix }}",
       "at byte 3: the fields of Time have no fields or methods; cut the path there"},
      {"{{ .Response.my-stage.j.Status }}",
       "at byte 15: unexpected character '-'; a name with - is reached with index: (index "
       ".Response "
       "`my-stage` `my-job`).Body"},
      {"{{ .Response.a.b.Body.k. }}",
       "at byte 23: a dot without a name behind it; names with other characters are reached with "
       "index: {{ index .a `the name` }}"},
      {"{{ eq .Name 'x' }}",
       "at byte 12: unexpected character '''; text stands in back-ticks: `text`"},
      {"{{ if .Name == `x` }}{{ end }}",
       "at byte 12: unexpected character '='; compare with eq: {{ if eq .a .b }}"},
      {"{{ if .Name = `x` }}{{ end }}",
       "at byte 12: only a variable at the beginning of an action can be set: {{ $name := value "
       "}}; "
       "compare with eq"},
      {"{{ .a || .b }}", "at byte 6: unexpected ||; write or: {{ if or .a .b }}"},
      {"{{ .a && .b }}", "at byte 6: unexpected character '&'; write and: {{ if and .a .b }}"},
      {"{{ .Stages[0] }}",
       "at byte 10: unexpected character '['; write index: {{ index .list 0 }}"},
      {"{{ 1 < 2 }}",
       "at byte 5: unexpected character '<'; compare with lt, le, gt, ge: {{ if lt .a .b }}"},
      {"{{ !.a }}", "at byte 3: unexpected character '!'; write not or ne"},
      {"{{ 1 + 2 }}", "at byte 5: unexpected character '+'; there is no arithmetic"},
      {"{{ \xC3\xBC }}",
       "at byte 3: there is no function \xC3\xBC; there are and, eq, ge, gt, html, index, js, le, "
       "len, lt, "
       "ne, not, or, print, printf, println, slice, toBool, toInt, toJson, urlquery. A field has a "
       "dot "
       "in front: .\xC3\xBC"},
      {"{{ .Name | default `x` }}",
       "at byte 11: there is no function default; what is missing is the empty text; write or: {{ "
       "or "
       ".a `otherwise` }}"},
      {"{{ call .Name }}", "at byte 3: there is no function call; there are no functions to call"},
      {"{{ define `x` }}{{ end }}",
       "at byte 3: define is not supported: each string is a template of its own; write the text "
       "where it is used"},
      {"{{ template `x` }}",
       "at byte 3: template is not supported: each string is a template of its own; write the text "
       "where it is used"},
      {"{{ block `x` . }}{{ end }}",
       "at byte 3: block is not supported: each string is a template of its own; write the text "
       "where "
       "it is used"},
      {"{{ $y }}",
       "at byte 3: there is no variable $y here; make it with {{ $y := value }} in this string"},
      {"{{ $x := $x }}",
       "at byte 9: there is no variable $x here; make it with {{ $x := value }} in this string"},
      {"{{ $x = 1 }}", "at byte 3: there is no variable $x here; make it with :="},
      {"{{ if 1 }}{{ $x := 1 }}{{ else }}{{ $x }}{{ end }}",
       "at byte 36: there is no variable $x here; make it with {{ $x := value }} in this string"},
      {"{{ $ := 1 }}", "at byte 3: $ is the root and cannot be changed"},
      {"{{ if 1 }}a", "at byte 0: this if has no {{ end }}"},
      {"{{ if 1 }}a{{ else }}b", "at byte 0: this if has no {{ end }}"},
      {"{{ range 1 }}a", "at byte 0: this range has no {{ end }}"},
      {"{{ end }}", "at byte 0: end without if, with or range in this string"},
      {"a{{ else }}", "at byte 1: else without if, with or range in this string"},
      {"{{ if 1 }}{{ else }}{{ else }}{{ end }}",
       "at byte 20: a second else; the first one takes all that is left"},
      {"{{ range 1 }}{{ else }}{{ else }}{{ end }}",
       "at byte 23: a second else; the first one takes all that is left"},
      {"{{ if 1 }}{{ else range 1 }}{{ end }}",
       "at byte 18: else is followed by if, with or nothing"},
      {"{{ if 1 }}{{ else x }}{{ end }}", "at byte 18: nothing may follow else but if or with"},
      {"{{ if 1 }}{{ end x }}", "at byte 17: nothing may follow end"},
      {"{{ break }}", "at byte 3: break outside of a range"},
      {"{{ range 1 }}{{ else }}{{ continue }}{{ end }}", "at byte 26: continue outside of a range"},
      {"{{ print if }}", "at byte 9: if stands at the beginning of an action"},
      {"{{ nil }}", "at byte 3: nil alone is nothing"},
      {"{{ .Name | .Name }}", "at byte 11: behind a | stands a function"},
      {"{{ .Name 5 }}",
       "at byte 3: this is no function and takes no arguments; methods of Go's values cannot be "
       "called"},
      {"{{ print len .Name }}",
       "at byte 9: a function among arguments stands in parentheses: (len ...)"},
      {"{{ print 1, 2 }}", "at byte 10: unexpected comma; arguments are separated by spaces"},
      {"{{ print \"a\"\"b\" }}", "at byte 12: a space is missing here"},
      {"{{ `a`.x }}", "at byte 6: a space is missing here"},
      {"{{ (len .Name }}", "at byte 3: this ( has no ) behind it"},
      {"{{ len .Name) }}", "at byte 12: this ) has no ( before it"},
      {"{{ print () }}", "at byte 10: a value is missing here"},
      {"{{ .Name | }}", "at byte 11: a value is missing here"},
      {"{{ | print }}", "at byte 3: a value is missing here"},
      {"{{ \"a }}",
       "at byte 3: this \" has no second one in its line; text of many lines stands in `"},
      {"{{ `a }}", "at byte 3: this ` has no second one behind it"},
      {R"({{ "\y" }})", "at byte 4: this \\ begins no known escape; in back-ticks \\ is itself"},
      {R"({{ "\ud800" }})",
       "at byte 4: this \\ begins no known escape; in back-ticks \\ is itself"},
      {"{{/* a }}", "at byte 2: this comment has no */"},
      {"{{/* a */ .Name }}", "at byte 0: a comment stands alone: {{/* text */}}"},
      {"{{ 1x }}", "at byte 3: not a number; text stands in back-ticks: `text`"},
      {"{{ 9223372036854775808 }}", "at byte 3: not a number; text stands in back-ticks: `text`"},
      {"{{ 1e999 }}", "at byte 3: not a number; text stands in back-ticks: `text`"},
      {"{{ a : 1 }}", "at byte 5: unexpected ':'; a variable is made with {{ $name := value }}"},
      {"{{ eq 1 }}", "at byte 3: eq takes at least 2 arguments, not 1"},
      {"{{ len }}", "at byte 3: len takes 1 argument, not 0"},
      {"{{ 1 | not 2 }}", "at byte 7: not takes 1 argument, not 2"},
      {"{{ slice 1 2 3 4 }}", "at byte 3: slice takes at most 3 arguments, not 4"},
  };
  for (const Row& row : rows) {
    const auto parsed = GoTemplate::parse(row.text);
    ASSERT_FALSE(parsed.ok()) << row.text;
    EXPECT_EQ(parsed.error().code, Code::Invalid) << row.text;
    EXPECT_EQ(parsed.error().message, row.want) << row.text;
  }
}

TEST(GoTemplate, FailsWithoutTellingValues) {
  const Row rows[] = {
      {"{{ .Response.fetch.owner.Body.plan.tier }}", "at byte 3: there is no field tier in text"},
      {"{{ .Response.fetch.picture.Body.list.k }}",
       "at byte 3: there is no field k in a list; use index or range"},
      {"{{ index .Stages 5 }}", "at byte 3: index: beyond the end; there are 3"},
      {"{{ index .Stages -1 }}", "at byte 3: index: beyond the end; there are 3"},
      {"{{ index .Response.fetch.picture.Body.list `x` }}",
       "at byte 3: index: the place in a list is a whole number, and this is text"},
      {"{{ index .Response.fetch.owner.Body 5 }}",
       "at byte 3: index: the key of an object is text, and this is a number"},
      {"{{ index 5 0 }}", "at byte 3: index: there is nothing inside a number"},
      {"{{ slice .Name 1 99 }}", "at byte 3: slice: beyond the end; there are 10"},
      {"{{ slice .Name 2 1 }}", "at byte 3: slice: the first bound is behind the second"},
      {"{{ slice .Name `x` }}", "at byte 3: slice: the bounds are whole numbers"},
      {"{{ slice .Response }}", "at byte 3: slice: an object has no parts in a row"},
      {"{{ len 5 }}", "at byte 3: len: a number has no length"},
      {"{{ eq .Response.fetch.owner.Body.plan 5 }}",
       "at byte 3: eq: cannot compare text with a number"},
      {"{{ eq .Stages .Stages }}", "at byte 3: eq: cannot compare a list with a list"},
      {"{{ lt .Response.fetch.owner.Body.nope 5 }}",
       "at byte 3: lt: one of the two is missing; ask first: {{ if .a }}, or give a value: (or .a "
       "0)"},
      {"{{ lt true false }}", "at byte 3: lt: cannot order true or false and true or false"},
      {"{{ range .Name }}{{ end }}",
       "at byte 9: range goes over a list or an object, and this is text"},
      {"{{ range $i, $e := 3 }}{{ end }}", "at byte 0: a range over a number sets one variable"},
      {"{{ printf 5 }}", "at byte 3: printf: the first argument is the format, a text"},
      {"{{ printf `%d` .Response.fetch.owner.Body.plan }}",
       "at byte 3: printf: %d needs a whole number, and this is text; %v takes everything"},
      {"{{ printf `%d` }}", "at byte 3: printf: the format has more verbs than there are values"},
      {"{{ printf `a` .Name }}",
       "at byte 3: printf: there are more values than the format has verbs"},
      {"{{ printf `%z` 1 }}",
       "at byte 3: printf: unknown verb; there are %v %s %d %q %t %f %e %g %x %o %b and %%"},
      {"{{ printf `%` }}",
       "at byte 3: printf: unknown verb; there are %v %s %d %q %t %f %e %g %x %o %b and %%"},
      {"{{ printf `%9999d` 1 }}", "at byte 3: printf: a width or precision above 1000"},
      {"{{ printf `%.1001f` 1.0 }}", "at byte 3: printf: a width or precision above 1000"},
      {"{{ .Response.fetch.owner.Body.plan | toBool }}",
       "at byte 37: toBool: true, false or one of them as text is needed, and this is text"},
      {"{{ .Response.fetch.owner.Body.nope | toInt }}",
       "at byte 37: toInt: a whole number, or one as text, is needed, and this is nothing; write "
       "(or "
       ".a 0) | toInt"},
      {"{{ 1.5 | toInt }}",
       "at byte 9: toInt: a whole number, or one as text, is needed, and this is a number"},
      {"{{ 1e300 | toInt }}",
       "at byte 11: toInt: a whole number, or one as text, is needed, and this is a number"},
  };
  for (const Row& row : rows) {
    const auto parsed = GoTemplate::parse(row.text);
    ASSERT_TRUE(parsed.ok()) << row.text << ": " << parsed.error().message;
    const auto out = parsed->render(root());
    ASSERT_FALSE(out.ok()) << row.text;
    EXPECT_EQ(out.error().code, Code::Invalid) << row.text;
    EXPECT_EQ(out.error().message, row.want) << row.text;
  }
  const auto poor = GoTemplate::parse("{{ .Name }}{{ .Time }}");
  ASSERT_TRUE(poor.ok());
  EXPECT_EQ(poor->render(Value::object({{"Name", "x"}})).error().message,
            "at byte 14: there is no field Time at the top; there are .Name, .Stages, .Response "
            "and .Time");
}

TEST(GoTemplate, TellsWhichResponsesItReads) {
  using References = std::vector<GoTemplate::Reference>;
  const struct {
    const char* text;
    References want;
  } rows[] = {
      {"{{ .Name }}", {}},
      {"{{ .Response }}", {}},
      {"a {{ .Response.s.j.Body.k }} {{ $.Response.s.k.Status }}", {{"s", "j", 5}, {"s", "k", 32}}},
      {"{{ (index .Response `my-stage` `my job`).Body.k }}", {{"my-stage", "my job", 3}}},
      {"{{ index .Response.s `j` `Body` `k` }}", {{"s", "j", 9}}},
      {"{{ index .Response.s.j.Headers .Response.t.k.Body.name }}",
       {{"s", "j", 9}, {"t", "k", 31}}},
      {"{{ (.Response.s).j.Body }}", {{"s", "j", 3}}},
      {"{{ index .Response .Name `j` }}", {}},
      {"{{ index .Response `s` .Name }}", {{"s", "", 9}}},
      {"{{ range .Response.s }}{{ .Body.k }}{{ end }}", {{"s", "", 9}}},
      {"{{ with .Response.s.j }}{{ .Body.k }}{{ else }}{{ .Response.t.j }}{{ end }}",
       {{"s", "j", 8}, {"s", "j", 27}, {"t", "j", 50}}},
      {"{{ if eq (len .Response.s.j.Body.k) 1 }}{{ .Response.s.k.Status | print }}{{ end }}",
       {{"s", "j", 14}, {"s", "k", 43}}},
      {"{{ $x := .Response.s }}{{ $x.j.Body }}", {{"s", "", 9}}},
  };
  for (const auto& row : rows) {
    const auto parsed = GoTemplate::parse(row.text);
    ASSERT_TRUE(parsed.ok()) << row.text << ": " << parsed.error().message;
    const References& got = parsed->references();
    ASSERT_EQ(got.size(), row.want.size()) << row.text;
    for (std::size_t i = 0; i < got.size(); ++i) {
      EXPECT_EQ(got[i].stage, row.want[i].stage) << row.text;
      EXPECT_EQ(got[i].job, row.want[i].job) << row.text;
      EXPECT_EQ(got[i].offset, row.want[i].offset) << row.text;
    }
  }
}

std::string repeated(const std::string& piece, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += piece;
  return out;
}

TEST(GoTemplate, BoundsWhatItParses) {
  EXPECT_EQ(rendered(repeated("{{ if true }}", 64) + "x" + repeated("{{ end }}", 64)), Value("x"));
  EXPECT_EQ(rendered(repeated("{{ if true }}", 65) + "x" + repeated("{{ end }}", 65)),
            Value("PARSE at byte 832: nested more than 64 deep"));
  EXPECT_EQ(rendered("{{ " + repeated("(", 64) + "1" + repeated(")", 64) + " }}"), Value("1"));
  EXPECT_EQ(rendered("{{ " + repeated("(", 100'000)),
            Value("PARSE at byte 10003: the template has more than 10000 parts"));
  EXPECT_EQ(rendered("{{ " + repeated("(", 65) + "1" + repeated(")", 65) + " }}"),
            Value("PARSE at byte 67: nested more than 64 deep"));
  // Side by side, and in a row of else, nothing is nested.
  EXPECT_EQ(rendered("{{ if 0 }}" + repeated("{{ else if 0 }}", 1000) + "{{ else }}x{{ end }}"),
            Value("x"));
  EXPECT_EQ(rendered(repeated("{{ if true }}x{{ end }}", 1000)), Value(repeated("x", 1000)));
  EXPECT_EQ(rendered("{{ print" + repeated(" 1", 9999) + " }}").as_string().size(), 19997U);
  EXPECT_EQ(rendered(repeated("{{ 1 }}", 10'001)),
            Value("PARSE at byte 70003: the template has more than 10000 parts"));
  EXPECT_NE(
      rendered("{{ ." + repeated("ü", 100) + " }}").as_string().find(repeated("ü", 20) + "..."),
      std::string::npos);
}

TEST(GoTemplate, StopsAtItsLimits) {
  const auto message = [](const std::string& text, const Limits& limits = {}) {
    const auto parsed = GoTemplate::parse(text);
    if (!parsed.ok()) return parsed.error().message;
    const auto out = parsed->render(root(), limits);
    return out.ok() ? std::string("no error") : out.error().message;
  };
  constexpr const char* kSteps = "the templates take too many steps; make fewer or shorter loops";
  const std::string nested =
      repeated("{{ range 1000 }}", 4) + "{{ $x := 1 }}" + repeated("{{ end }}", 4);
  EXPECT_NE(message(nested).find(kSteps), std::string::npos) << message(nested);
  EXPECT_NE(message("{{ range 9000000000000000000 }}{{ end }}").find(kSteps), std::string::npos);
  EXPECT_NE(message("{{ range 300000 }}x{{ end }}").find(kSteps), std::string::npos);
  EXPECT_EQ(message("{{ range 3 }}{{ . }}{{ end }}", {.steps = 12}), "no error");
  EXPECT_NE(message("{{ range 4 }}{{ . }}{{ end }}", {.steps = 12}).find(kSteps),
            std::string::npos);

  constexpr const char* kOutput = "the templates give too much text; send less of the responses";
  EXPECT_EQ(message("ab{{ .Name }}", {.output_bytes = 12}), "no error");
  EXPECT_EQ(message("ab{{ .Name }}", {.output_bytes = 11}), std::string("at byte 2: ") + kOutput);
  EXPECT_EQ(message("ab{{ .Name }}", {.output_bytes = 1}), std::string("at byte 0: ") + kOutput);
  EXPECT_NE(message("{{ .Response | toJson }}", {.output_bytes = 50}).find(kOutput),
            std::string::npos);

  // A text that doubles would be beyond every memory after forty rounds.
  constexpr const char* kMade =
      "the templates make too much text on the way; make fewer or shorter loops";
  EXPECT_NE(message("{{ $x := `ab` }}{{ range 1000 }}{{ $x = print $x $x }}{{ end }}").find(kMade),
            std::string::npos);
  EXPECT_NE(message("{{ $x := `ab` }}{{ range 1000 }}{{ $x = printf `%s%s` $x $x }}{{ end }}")
                .find(kMade),
            std::string::npos);
  EXPECT_NE(message("{{ range 90000 }}{{ $x := slice $.Stages 0 3 }}{{ end }}",
                    {.steps = 10'000'000, .made_bytes = 1000})
                .find(kMade),
            std::string::npos);
}

TEST(GoTemplateDocument, RendersTheExampleOfTheSourceSystem) {
  const auto documents = codec::parse_yaml_documents(R"(
source: "{{ .Response.fetch.picture.Body.location }}"
etag: "{{ index .Response.fetch.picture.Headers `Etag` }}"
status: "{{ .Response.fetch.picture.Status }}"
pipeline: "{{ .Name }}"
absent: "{{ .Response.fetch.picture.Body.no.such.key }}"
nested:
  - size: "{{ if eq .Response.fetch.owner.Body.plan `pro` }}1024{{ else }}256{{ end }}"
to: "{{ .Response.fetch.owner.Body.mail }}"
link: "{{ (index .Response `convert` `small`).Body.url }}"
reached: "{{ .Response.fetch.picture.Status }}"
)");
  ASSERT_TRUE(documents.ok());
  const Value& document = documents->at(0).value;
  const auto json = render_document(document, root());
  ASSERT_TRUE(json.ok()) << json.error().message;
  EXPECT_EQ(
      json->dump(),
      R"({"source":"s3://b/42","etag":"[\"\\\"33a\\\"\"]","status":"200","pipeline":"thumbnails",)"
      R"("absent":"","nested":[{"size":"1024"}],"to":"a@b","link":"http://x/1","reached":"200"})");
  const auto go = render_document(document, root(), {}, Spelling::Go);
  ASSERT_TRUE(go.ok()) << go.error().message;
  EXPECT_EQ(go->find("etag")->as_string(), "[\"33a\"]");
}

TEST(GoTemplateDocument, RendersStringsAndKeysAtAnyDepthAndLeavesTheRest) {
  const Value document = *Value::parse(
      R"({"{{ .Name }}-{{ .Time.Total }}": [{"{{ 1 }}": "{{ .Name | toJson }}"}, 1, 1.5, true, null, []],
          "n": "{{ .Response.fetch.picture.Body.two | toInt }}", "plain": "x", "{{ 5 | toInt }}": {}})");
  const auto out = render_document(document, root());
  ASSERT_TRUE(out.ok()) << out.error().message;
  EXPECT_EQ(
      out->dump(),
      R"({"thumbnails-12":[{"1":"thumbnails"},1,1.5,true,null,[]],"n":2,"plain":"x","5":{}})");
  EXPECT_EQ(*render_document(Value("{{ .Name }}"), root()), Value("thumbnails"));
  EXPECT_EQ(*render_document(Value(5), root()), Value(5));
}

TEST(GoTemplateDocument, SendsAwkwardValuesUnchanged) {
  const auto out =
      render_document(Value::object({{"v", "{{ .Response.fetch.picture.Body.nasty }}"}}), root());
  ASSERT_TRUE(out.ok());
  const auto back = Value::parse(out->dump());
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(*back->find("v"), *root().at_path({"Response", "fetch", "picture", "Body", "nasty"}));
}

TEST(GoTemplateDocument, NamesTheFieldOfAnError) {
  const auto message = [](const char* document, const Limits& limits = {}) {
    const auto out = render_document(*Value::parse(document), root(), limits);
    return out.ok() ? std::string("no error") : out.error().message;
  };
  EXPECT_EQ(message(R"({"a": [1, {"b": "x{{ .Foo }}"}]})"),
            "a[1].b: at byte 4: there is no field Foo at the top; there are .Name, .Stages, "
            ".Response and "
            ".Time");
  EXPECT_EQ(message(R"({"a": {"b": "{{ index .Stages 9 }}"}})"),
            "a.b: at byte 3: index: beyond the end; there are 3");
  EXPECT_EQ(message(R"("{{ index .Stages 9 }}")"), "at byte 3: index: beyond the end; there are 3");
  EXPECT_EQ(
      message(R"({"a": {"{{ .Name": 1}})"),
      "a.{{ .Name: at byte 0: this {{ has no }} behind it; literal braces are written {{ `{{` }}");
  EXPECT_EQ(message(R"({"a": {"{{ .Name }}": 1, "thumbnails": 2}})"),
            "a: two of the keys become equal");
  // The limits are those of the whole document, plain texts included.
  EXPECT_EQ(message(R"(["12345", "12345", "{{ 12345 }}"])", {.output_bytes = 15}), "no error");
  EXPECT_EQ(message(R"(["12345", "12345", "{{ 12345 }}"])", {.output_bytes = 14}),
            "[2]: at byte 0: the templates give too much text; send less of the responses");
  EXPECT_EQ(message(R"(["12345", "12345"])", {.output_bytes = 9}),
            "[1]: at byte 0: the templates give too much text; send less of the responses");
  EXPECT_EQ(message((repeated("[", 100) + R"("x")" + repeated("]", 100)).c_str()), "no error");
  EXPECT_NE(message((repeated("[", 101) + R"("x")" + repeated("]", 101)).c_str())
                .find("[0]: nested more than 100 deep"),
            std::string::npos);
}

TEST(GoTemplateDocument, ListsItsTemplatesForChecks) {
  const auto fields = go_templates_of(*Value::parse(
      R"({"a": ["x", "{{ .Response.s.j.Status }}"], "b": {"{{ .Name }}": "{{ .Foo }}", "c": 5}})"));
  ASSERT_EQ(fields.size(), 3U);
  EXPECT_EQ(fields[0].path, "a[1]");
  ASSERT_TRUE(fields[0].content.ok());
  EXPECT_EQ(fields[0].content->references().at(0).job, "j");
  EXPECT_EQ(fields[1].path, "b");
  EXPECT_TRUE(fields[1].content.ok());
  EXPECT_EQ(fields[2].path, "b.{{ .Name }}");
  EXPECT_FALSE(fields[2].content.ok());
  EXPECT_TRUE(go_templates_of(Value("plain")).empty());
  const auto deep =
      go_templates_of(*Value::parse(repeated("[", 120) + R"("{{ 1 }}")" + repeated("]", 120)));
  ASSERT_EQ(deep.size(), 1U);
  EXPECT_FALSE(deep[0].content.ok());
}

}  // namespace
}  // namespace millrace::expression
