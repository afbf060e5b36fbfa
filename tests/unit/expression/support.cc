#include "tests/unit/expression/support.h"

namespace millrace::expression {

const codec::Value& sample() {
  static const codec::Value root = *codec::Value::parse(R"({
    "params": {"n": 3, "f": 1.5, "whole": 2.0, "s": "text", "num": " 42\n", "yes": true,
               "nothing": null, "list": [3, 1, 2, 1], "words": ["b", "a"], "empty": [],
               "o": {"b": 2, "a": 1}, "a-b": "dash", "two words": "quoted", "key": "b",
               "blank": "", "template": "{{ params.n }}", "secret": "hunter2"},
    "steps": {"fetch": {"status": "Succeeded", "outputs": {"rows": "7", "json": "{\"k\": [1, 2]}"}},
              "my-step": {"outputs": {"x": "y"}}},
    "run": {"name": "r1"},
    "Name": "demo", "Stages": ["one", "two"], "Time": {"start": "now", "total": 12},
    "Response": {"s": {"j": {"status": 200, "headers": {"X-A": ["v"]},
        "body": {"key": "value", "n": 12345678901, "t": true, "null": null, "list": [1, "x"],
                 "map": {"z": 1, "k": "v"}, "html": "<a & \"b\">"}}},
      "my-stage": {"my-job": {"status": 500, "headers": {}, "body": {"k": "deep"}}}}
  })");
  return root;
}

std::string run(std::string_view text, Scope::Missing missing) {
  const auto parsed = Template::parse(text);
  if (!parsed.ok()) return "error: " + parsed.error().message;
  const auto value = evaluate(*parsed, ValueScope(sample(), missing));
  return value.ok() ? value->dump() : "error: " + value.error().message;
}

}  // namespace millrace::expression
