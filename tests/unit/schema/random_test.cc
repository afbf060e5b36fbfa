// Random and damaged objects: nothing crashes, and what is stored once stays as it is.
#include <gtest/gtest.h>

#include <random>

#include "local/schema/fit.h"
#include "tests/unit/schema/world.h"

namespace millrace::schema {
namespace {

using codec::Value;
using Random = std::mt19937;

std::size_t below(Random& random, std::size_t bound) {
  return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random);
}

Value random_string(Random& random, const Type& type) {
  if (type.format == "date-time") return "2026-01-02T03:04:05+01:00";
  if (type.format == "micro-time") return "2026-01-02T03:04:05.000006Z";
  if (type.format == "byte") return "YWI=";
  static const char* const quantities[] = {"0", "0.5", "1024Ki", "1e3", "100m", "1.5Gi"};
  if (type.format == "quantity") return quantities[below(random, 6)];
  static const char* const texts[] = {"", "a", "x:1", "Always", "/a/../b", "\xC3\xA9", "80%"};
  return texts[below(random, 7)];
}

/// A value of the type; deeper ones have fewer members.
Value random_value(Random& random, const Type& type, std::size_t depth) {
  Value value;
  switch (type.shape) {
    case Shape::Boolean:
      return below(random, 2) == 0;
    case Shape::Integer:
    case Shape::Number:
      return static_cast<int>(below(random, 4)) - 1;
    case Shape::IntOrString:
      if (below(random, 2) == 0) return 80;
      return "25%";
    case Shape::String:
      return random_string(random, type);
    case Shape::Any:
      return Value::object({{"a", Value(1)}});
    case Shape::List:
      value = Value::array();
      for (std::size_t i = below(random, 3); i > 0; --i) {
        value.push_back(random_value(random, *type.element, depth + 1));
      }
      return value;
    case Shape::Map:
      value = Value::object();
      for (std::size_t i = below(random, 3); i > 0; --i) {
        value["k" + std::to_string(i)] = random_value(random, *type.element, depth + 1);
      }
      return value;
    case Shape::Object:
      break;
  }
  value = Value::object();
  for (const Field& field : type.fields) {
    const std::size_t odds = depth < 2 ? 1 : depth < 5 ? 3 : 8;
    if (below(random, odds) == 0) value[field.name] = random_value(random, *field.type, depth + 1);
  }
  return value;
}

/// Change one value somewhere to something of another type.
void damage(Random& random, Value& value) {
  const std::size_t members = value.is_object() ? value.members().size() : 0;
  const std::size_t items = value.is_array() ? value.items().size() : 0;
  if (members > 0 && below(random, 6) > 0) {
    return damage(random, value.members()[below(random, members)].second);
  }
  if (items > 0 && below(random, 6) > 0) {
    return damage(random, value.items()[below(random, items)]);
  }
  const Value others[] = {Value(),
                          Value(-1),
                          Value(1.5),
                          Value("\x01 /.."),
                          Value(false),
                          Value::array({}),
                          Value::object({}),
                          Value(1'000'000'000'000),
                          Value::array({Value()}),
                          Value::object({{"", Value()}})};
  value = others[below(random, std::size(others))];
}

TEST(Random, WhatIsStoredOnceStaysAsItIs) {
  Random random(1);
  for (const Kind& kind : kinds()) {
    for (int round = 0; round < 30; ++round) {
      Value object = random_value(random, *kind.type, 0);
      object["metadata"] = Value::object({{"name", "a"}});
      ASSERT_TRUE(fit(object, kind).ok()) << object.pretty();
      Value again = object;
      ASSERT_TRUE(fit(again, kind).ok());
      ASSERT_EQ(again, object) << "fit, " << kind.resource.kind;
      apply_defaults(object, kind);
      again = object;
      apply_defaults(again, kind);
      ASSERT_EQ(again, object) << "defaults, " << kind.resource.kind << "\n" << object.pretty();
      ASSERT_TRUE(fit(again, kind).ok());
      apply_defaults(again, kind);
      ASSERT_EQ(again, object) << "both, " << kind.resource.kind << "\n" << object.pretty();
      validate(object, nullptr, kind);
    }
  }
}

TEST(Random, DamagedObjectsAreRefusedOrStored) {
  Random random(2);
  int refused = 0;
  for (const Kind& kind : kinds()) {
    for (int round = 0; round < 150; ++round) {
      Value object = random_value(random, *kind.type, 0);
      const Value old = object;
      for (std::size_t i = below(random, 4) + 1; i > 0; --i) damage(random, object);
      if (!object.is_object() || !fit(object, kind).ok()) {
        ++refused;
        continue;
      }
      apply_defaults(object, kind);
      validate(object, &old, kind);
      Value again = object;
      ASSERT_TRUE(fit(again, kind).ok()) << again.pretty();
      apply_defaults(again, kind);
      ASSERT_EQ(again, object) << kind.resource.kind;
    }
  }
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace millrace::schema
