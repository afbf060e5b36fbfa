#include "local/apiserver/selectors.h"

#include <gtest/gtest.h>

namespace millrace::apiserver {
namespace {

const schema::Kind& pods() { return *schema::find_kind("", "v1", "pods"); }

storage::Attributes sample() {
  return {{{"app", "web"}, {"n", "5"}, {"tier", "front"}},
          {{"metadata.name", "a"}, {"metadata.namespace", "x"}, {"status.phase", "Running"}}};
}

TEST(Selectors, ChooseByLabelsAndFields) {
  const struct {
    const char* labels;
    const char* fields;
    bool want;
  } cases[] = {
      {"", "", true},
      {"app=web", "", true},
      {"app==web,tier!=back", "", true},
      {"app in (db, web)", "", true},
      {"app notin (db,web)", "", false},
      {"none notin (x)", "", true},
      {"app", "", true},
      {"!app", "", false},
      {"!none", "", true},
      {"none=", "", false},
      {"n>4,n<6", "", true},
      {"app>4", "", false},
      {"in in (in)", "", false},
      {"", "metadata.name=a", true},
      {"", "metadata.name!=a", false},
      {"", "status.phase==Running,metadata.namespace=x", true},
      {"", "spec.nodeName=", true},
  };
  for (const auto& c : cases) {
    const auto selector = parse_selector(c.labels, c.fields, pods());
    ASSERT_TRUE(selector.has_value()) << c.labels << c.fields;
    EXPECT_EQ(selector->matches(sample()), c.want) << c.labels << " " << c.fields;
  }
}

TEST(Selectors, AreRefusedInTheWordsOfTheRealServer) {
  const struct {
    const char* labels;
    const char* fields;
    const char* want;
  } cases[] = {
      {"a in ", "", "unable to parse requirement: found '' expected: '('"},
      {"a in (b", "", "unable to parse requirement: found '', expected: ',' or ')'"},
      {"!!a", "", "unable to parse requirement: found '!', expected: identifier"},
      {"a===b", "", "unable to parse requirement: found '=', expected: identifier"},
      {"a foo b", "",
       "unable to parse requirement: found 'foo', expected: in, notin, =, ==, !=, gt, lt"},
      {",", "", "found ',', expected: !, identifier, or 'end of string'"},
      {"a,,b", "", "found ',', expected: identifier after ','"},
      {"a>b", "",
       "unable to parse requirement: values[0]: Invalid value: \"b\": for 'Gt', 'Lt' operators, "
       "the value must be an integer"},
      {"", "foo", "invalid selector: 'foo'; can't understand 'foo'"},
      {"", "a=b=c", "invalid field selector: unescaped character in value: 61"},
      {"", "spec.foo=1", "field label not supported: spec.foo"},
      {"", "metadata.name=a\\qb", "invalid field selector: invalid escape sequence: \\q"},
  };
  for (const auto& c : cases) {
    const auto selector = parse_selector(c.labels, c.fields, pods());
    ASSERT_FALSE(selector.has_value()) << c.labels << c.fields;
    EXPECT_EQ(selector.error().message, c.want);
    EXPECT_EQ(selector.error().code, 400);
  }
}

TEST(Selectors, FindTheOneNameAskedFor) {
  const auto selector = parse_selector("", "metadata.name=a,metadata.namespace=x", pods());
  ASSERT_TRUE(selector.has_value());
  EXPECT_EQ(selector->exact_name(), "a");
  EXPECT_EQ(selector->exact_namespace(), "x");
}

}  // namespace
}  // namespace millrace::apiserver
