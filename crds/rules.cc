#include "crds/rules.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "crds/pipeline.h"
#include "crds/pipeline_run.h"
#include "kubeclient/base/duration.h"
#include "kubeclient/codec/schema.h"
#include "kubeclient/codec/type_info.h"

namespace millrace::crds {
namespace {

using codec::Value;

/// CEL's has(): the API server drops nulls before it asks.
bool has(const Value& self, std::string_view key) {
  const Value* member = self.find(key);
  return member != nullptr && !member->is_null();
}

/// The string member `key`, empty when absent: what CEL's has(x) ? x : '' says.
const std::string& text(const Value& self, std::string_view key) {
  static const std::string empty;
  const Value* member = self.find(key);
  return member == nullptr ? empty : member->as_string();
}

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_space(char c) { return std::string_view(" \t\n\v\f\r").find(c) != std::string_view::npos; }

bool one_input(const Value& self, const Value*) {
  return has(self, "elasticSearch") != has(self, "apiServer");
}

bool one_output(const Value& self, const Value*) {
  constexpr std::array<std::string_view, 6> kinds = {"api",   "as2",   "ftp",
                                                     "kafka", "email", "custom"};
  return std::count_if(kinds.begin(), kinds.end(),
                       [&](std::string_view kind) { return has(self, kind); }) == 1;
}

bool custom_image(const Value& self, const Value*) {
  const Value* custom = self.find("custom");
  return custom == nullptr || custom->is_null() || !text(*custom, "image").empty();
}

bool processor_names(const Value& self, const Value*) {
  const Value* processors = self.find("processors");
  if (processors == nullptr) return true;
  const Value* outputs = self.find("outputs");
  for (const Value& processor : processors->items()) {
    const std::string& name = text(processor, "name");
    if (name == "input") return false;
    if (outputs == nullptr) continue;
    for (const Value& output : outputs->items()) {
      if (name == "output--" + text(output, "name")) return false;
    }
  }
  return true;
}

bool any_step(const Value& self, const Value*) {
  const auto some = [&](std::string_view key) {
    const Value* list = self.find(key);
    return list != nullptr && !list->items().empty();
  };
  return has(self, "input") || some("processors") || some("outputs");
}

bool processor_lengths(const Value& self, const Value*) {
  return std::all_of(self.items().begin(), self.items().end(),
                     [](const Value& item) { return text(item, "name").size() <= 52; });
}

bool service_name(const Value& self, const Value*) {
  return codec::is_dns_label(self) && self.as_string().front() >= 'a';
}

bool object_name(const Value& self, const Value*) {
  const std::string& name = self.as_string();
  if (name.empty()) return true;
  return is_lower_or_digit(name.front()) && is_lower_or_digit(name.back()) &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return is_lower_or_digit(c) || c == '-' || c == '.'; });
}

bool dns_label(const Value& self, const Value*) { return codec::is_dns_label(self); }

bool short_name(const Value& self, const Value*) {
  const Value* name = self.at_path({"metadata", "name"});
  return name == nullptr || name->as_string().size() <= 63;
}

int count_of(const Value& self, std::initializer_list<std::string_view> keys) {
  return static_cast<int>(std::count_if(keys.begin(), keys.end(),
                                        [&](std::string_view key) { return has(self, key); }));
}

bool one_body(const Value& self, const Value*) {
  const bool belt = has(self, "jobs") || (has(self, "stages") && !has(self, "steps"));
  return count_of(self, {"steps", "batchJob", "streamJob"}) + (belt ? 1 : 0) == 1;
}

bool jobs_have_stages(const Value& self, const Value*) {
  return !has(self, "jobs") || has(self, "stages");
}

bool one_action(const Value& self, const Value*) {
  return count_of(self, {"container", "containers", "http", "manifest", "approval", "pipeline",
                         "wait"}) == 1;
}

bool one_value(const Value& self, const Value*) {
  return !(has(self, "value") && has(self, "valueFrom"));
}

bool is_webhook(const Value& self, const Value*) { return self.as_string() == "webhook"; }

bool cron_shape(const Value& self, const Value*) {
  const std::string& expression = self.as_string();
  if (expression.empty()) return true;
  for (const std::string_view word :
       {"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"}) {
    if (expression == word) return true;
  }
  const std::string_view every = "@every ";
  if (expression.starts_with(every)) {
    const auto interval = parse_duration(std::string_view(expression).substr(every.size()));
    return interval.ok() && *interval >= std::chrono::seconds(1);
  }
  int fields = 0;
  bool inside = false;
  bool starts_with_at = false;
  for (const char c : expression) {
    const bool word = !is_space(c);
    if (word && !inside && ++fields == 1) starts_with_at = c == '@';
    inside = word;
  }
  return fields == 5 && !starts_with_at;
}

/// The number in digits [from, from + count) of `text`, or -1.
int digits(std::string_view text, std::size_t from, std::size_t count) {
  int number = 0;
  for (std::size_t i = from; i < from + count; ++i) {
    if (i >= text.size() || text[i] < '0' || text[i] > '9') return -1;
    number = number * 10 + (text[i] - '0');
  }
  return number;
}

bool expire_layout(const Value& self, const Value*) {
  const std::string& expire = self.as_string();
  if (expire.empty()) return true;
  if (expire.size() != 19 || expire[4] != '-' || expire[7] != '-' || expire[10] != ' ' ||
      expire[13] != ':' || expire[16] != ':') {
    return false;
  }
  const int year = digits(expire, 0, 4);
  const int month = digits(expire, 5, 2);
  const int day = digits(expire, 8, 2);
  if (year < 1 || month < 1 || day < 1) return false;
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return false;
  if (expire.ends_with("24:00:00")) return true;
  const auto within = [](int number, int below) { return number >= 0 && number < below; };
  return within(digits(expire, 11, 2), 24) && within(digits(expire, 14, 2), 60) &&
         within(digits(expire, 17, 2), 60);
}

bool zone_shape(const Value& self, const Value*) {
  const std::string& zone = self.as_string();
  if (zone.empty()) return true;
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  if (!letter(zone.front()) || zone.back() == '/') return false;
  if (zone.find("//") != std::string::npos) return false;
  return std::all_of(zone.begin(), zone.end(), [&](char c) {
    return letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '+' || c == '-' || c == '/';
  });
}

bool run_immutable(const Value& self, const Value* old_self) {
  const auto count = [](const Value& spec) {
    const Value* number = spec.find("maxRetryCount");
    return number == nullptr ? 0 : number->as_int();
  };
  return text(self, "refPipeline") == text(*old_self, "refPipeline") &&
         count(self) == count(*old_self) && text(self, "timeout") == text(*old_self, "timeout") &&
         text(self, "serviceAccountName") == text(*old_self, "serviceAccountName") &&
         text(self, "retryOf") == text(*old_self, "retryOf");
}

/// Absent and empty differ, as in the rule.
bool same_input(const Value& self, const Value* old_self) {
  for (const char* field : {"params", "trigger"}) {
    const Value* now = self.find(field);
    const Value* was = old_self->find(field);
    if ((now == nullptr) != (was == nullptr)) return false;
    if (now != nullptr && !(*now == *was)) return false;
  }
  return true;
}

bool cancel_stays(const Value& self, const Value* old_self) {
  const Value* was = old_self->find("cancel");
  const Value* now = self.find("cancel");
  return was == nullptr || !was->as_bool() || (now != nullptr && now->as_bool());
}

bool duration(const Value& self, const Value*) { return codec::is_duration(self); }

bool at_most_a_day(const Value& self, const Value*) {
  return codec::is_duration(self) && *parse_duration(self.as_string()) <= std::chrono::hours(24);
}

/// The rule of the field `name` in `type`, as the description writes it.
std::string_view field_rule(const codec::TypeInfo& type, std::string_view name) {
  for (const codec::FieldInfo& field : type.fields) {
    if (field.name == name) return field.options.rule;
  }
  return {};
}

codec::RuleTable make_table() {
  codec::RuleTable table;
  const auto object_rules = [&](const codec::TypeInfo& type,
                                std::initializer_list<codec::RuleCheck> checks) {
    MR_CHECK(type.rules.size() == checks.size());
    std::size_t i = 0;
    for (const codec::RuleCheck check : checks) table[std::string(type.rules[i++].rule)] = check;
  };
  const auto rule = [&](const codec::TypeInfo& type, std::string_view field,
                        codec::RuleCheck check) {
    const std::string_view text_of = field_rule(type, field);
    MR_CHECK(!text_of.empty());
    table[std::string(text_of)] = check;
  };
  table[std::string(codec::kDnsLabelRule)] = dns_label;
  table[std::string(kObjectNameRule)] = object_name;
  table[std::string(kNameRule)] = short_name;
  table[codec::duration_rule()] = duration;

  const auto batch = codec::type_info<BatchJob>();
  const auto strategy = codec::type_info<Strategy>();
  const auto run = codec::type_info<PipelineRunSpec>();
  object_rules(codec::type_info<Input>(), {one_input});
  object_rules(codec::type_info<Output>(), {one_output, custom_image});
  object_rules(batch, {processor_names, any_step});
  rule(batch, "processors", processor_lengths);
  rule(codec::type_info<MicroService>(), "name", service_name);
  rule(strategy, "cronExpression", cron_shape);
  rule(strategy, "expire", expire_layout);
  rule(strategy, "timeZone", zone_shape);
  const auto pipeline = codec::type_info<PipelineSpec>();
  object_rules(pipeline, {one_body, jobs_have_stages});
  object_rules(codec::type_info<Step>(), {one_action});
  object_rules(codec::type_info<HttpHeader>(), {one_value});
  rule(codec::type_info<Trigger>(), "type", is_webhook);
  object_rules(run, {run_immutable, same_input, cancel_stays});
  table[codec::duration_rule(field_rule(run, "timeout"))] = at_most_a_day;
  return table;
}

}  // namespace

const codec::RuleTable& rule_table() {
  static const codec::RuleTable table = make_table();
  return table;
}

}  // namespace millrace::crds
