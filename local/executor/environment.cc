#include "local/executor/environment.h"

#include <charconv>
#include <cmath>

#include "kubeclient/client/pem.h"

namespace millrace::executor {
namespace {

using codec::Value;
using Pairs = std::vector<std::pair<std::string, std::string>>;

const std::string& text_of(const Value& object, std::string_view key) {
  static const std::string empty;
  const Value* value = object.find(key);
  return value == nullptr ? empty : value->as_string();
}

bool flag_of(const Value& object, std::string_view key) {
  const Value* value = object.find(key);
  return value != nullptr && value->as_bool();
}

const char* kind_of(Source source) { return source == Source::Secret ? "Secret" : "ConfigMap"; }

/// The name between the quotes of `labels['name']`.
std::optional<std::string> subscript(std::string_view path, std::string_view list) {
  if (!path.starts_with(list)) return std::nullopt;
  path.remove_prefix(list.size());
  if (path.size() < 5 || !path.starts_with("['") || !path.ends_with("']")) return std::nullopt;
  return std::string(path.substr(2, path.size() - 4));
}

void set(Pairs& pairs, const std::string& name, std::string value) {
  for (auto& [key, old] : pairs) {
    if (key == name) {
      old = std::move(value);
      return;
    }
  }
  pairs.emplace_back(name, std::move(value));
}

KeyValues map_of(const Pairs& pairs) { return {pairs.begin(), pairs.end()}; }

/// One key of a ConfigMap or Secret; nothing when it is absent and optional.
Result<std::optional<std::string>> key_value(Source source, const Value& reference,
                                             const Lookup& lookup) {
  const std::string& name = text_of(reference, "name");
  const std::string& key = text_of(reference, "key");
  const bool optional = flag_of(reference, "optional");
  const Result<KeyValues> data = lookup(source, name);
  if (!data.ok()) {
    if (data.error().code == Code::NotFound && optional) return std::nullopt;
    return fail(Code::Invalid, std::string(kind_of(source)) + " " + name + ": " +
                                   data.error().message + "; create it, or set optional: true");
  }
  const auto it = data->find(key);
  if (it != data->end()) return it->second;
  if (optional) return std::nullopt;
  return fail(Code::Invalid, std::string(kind_of(source)) + " " + name + " has no key " + key +
                                 "; add it, or set optional: true");
}

/// valueFrom; nothing when the variable is not to be set.
Result<std::optional<std::string>> value_from(const PodFacts& facts, const ContainerSpec& container,
                                              const Value& from, const Lookup& lookup) {
  if (const Value* ref = from.find("fieldRef")) {
    MR_ASSIGN(std::string value, field_value(facts, text_of(*ref, "fieldPath")));
    return value;
  }
  if (const Value* ref = from.find("resourceFieldRef")) {
    MR_ASSIGN(std::string value, resource_value(facts, container.body, *ref));
    return value;
  }
  if (const Value* ref = from.find("configMapKeyRef")) {
    return key_value(Source::ConfigMap, *ref, lookup);
  }
  if (const Value* ref = from.find("secretKeyRef")) return key_value(Source::Secret, *ref, lookup);
  return fail(Code::Invalid, "valueFrom: none of the sources that are known here");
}

Result<void> add_all(Pairs& out, const Value& entry, const Lookup& lookup) {
  const bool secret = entry.find("secretRef") != nullptr;
  const Value* ref = entry.find(secret ? "secretRef" : "configMapRef");
  if (ref == nullptr) return {};
  const Source source = secret ? Source::Secret : Source::ConfigMap;
  const Result<KeyValues> data = lookup(source, text_of(*ref, "name"));
  if (!data.ok()) {
    if (data.error().code == Code::NotFound && flag_of(*ref, "optional")) return {};
    return fail(Code::Invalid, std::string(kind_of(source)) + " " + text_of(*ref, "name") + ": " +
                                   data.error().message + "; create it, or set optional: true");
  }
  for (const auto& [key, value] : *data) {
    const std::string name = text_of(entry, "prefix") + key;
    if (name.find('=') == std::string::npos) set(out, name, value);
  }
  return {};
}

std::string at(const char* list, const ContainerSpec& container, std::size_t i) {
  return "container " + container.name + ", " + list + "[" + std::to_string(i) + "]";
}

}  // namespace

Result<KeyValues> data_of(Source source, const Value& object) {
  KeyValues out;
  const char* encoded = source == Source::Secret ? "data" : "binaryData";
  if (const Value* data = object.find(encoded)) {
    for (const auto& [key, value] : data->members()) {
      std::optional<std::string> bytes = client::decode_base64(value.as_string());
      if (value.as_string().empty()) bytes = std::string();
      if (!bytes) return fail(Code::Malformed, std::string(encoded) + "." + key + ": not base64");
      out[key] = *std::move(bytes);
    }
  }
  if (source == Source::Secret) return out;
  if (const Value* data = object.find("data")) {
    for (const auto& [key, value] : data->members()) out[key] = value.as_string();
  }
  return out;
}

Result<std::string> field_value(const PodFacts& facts, std::string_view path) {
  const PodMeta& meta = *facts.meta;
  if (path == "metadata.name") return meta.name;
  if (path == "metadata.namespace") return meta.ns;
  if (path == "metadata.uid") return meta.uid;
  if (path == "spec.nodeName") return facts.node_name;
  if (path == "spec.serviceAccountName") return facts.spec->service_account;
  if (path == "status.hostIP" || path == "status.podIP" || path == "status.hostIPs" ||
      path == "status.podIPs") {
    return facts.ip;
  }
  if (const auto name = subscript(path, "metadata.labels")) return meta.label(*name);
  if (const auto name = subscript(path, "metadata.annotations")) return meta.annotation(*name);
  if (path == "metadata.labels" || path == "metadata.annotations") {
    std::string out;
    for (const auto& [key, value] : path == "metadata.labels" ? meta.labels : meta.annotations) {
      out += (out.empty() ? "" : "\n") + key + "=" + Value(value).dump();
    }
    return out;
  }
  return fail(Code::Invalid, "fieldPath " + std::string(path) + ": not a field that can be asked");
}

Result<double> parse_quantity(std::string_view text) {
  double number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc()) return fail(Code::Invalid, std::string(text) + ": not a quantity");
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  constexpr std::pair<std::string_view, double> kUnits[] = {
      {"", 1},        {"n", 1e-9},    {"u", 1e-6},    {"m", 1e-3},
      {"k", 1e3},     {"M", 1e6},     {"G", 1e9},     {"T", 1e12},
      {"P", 1e15},    {"E", 1e18},    {"Ki", 1024.},  {"Mi", 1048576.},
      {"Gi", 0x1p30}, {"Ti", 0x1p40}, {"Pi", 0x1p50}, {"Ei", 0x1p60}};
  for (const auto& [name, factor] : kUnits) {
    if (unit == name) return number * factor;
  }
  int exponent = 0;
  const bool scientific = unit.size() > 1 && (unit.front() == 'e' || unit.front() == 'E');
  const char* digits = unit.data() + (unit.size() > 1 && unit[1] == '+' ? 2 : 1);
  if (scientific && std::from_chars(digits, unit.data() + unit.size(), exponent).ptr ==
                        unit.data() + unit.size()) {
    return number * std::pow(10.0, exponent);
  }
  return fail(Code::Invalid, std::string(text) + ": not a quantity");
}

Result<std::string> resource_value(const PodFacts& facts, const Value& container,
                                   const Value& reference) {
  const std::string& resource = text_of(reference, "resource");
  const std::size_t dot = resource.find('.');
  if (dot == std::string::npos) {
    return fail(Code::Invalid, "resource " + resource + ": not limits.X or requests.X");
  }
  const std::string name = resource.substr(dot + 1);
  double amount = 0;
  const Value* set = container.at_path({"resources", resource.substr(0, dot), name});
  if (set != nullptr) {
    const std::string text = set->is_string() ? set->as_string() : set->dump();
    MR_ASSIGN(amount, parse_quantity(text));
  } else if (resource == "limits.cpu") {
    amount = facts.cpus;
  } else if (resource == "limits.memory") {
    amount = static_cast<double>(facts.memory);
  }
  double divisor = 1;
  if (const Value* value = reference.find("divisor")) {
    const std::string text = value->is_string() ? value->as_string() : value->dump();
    MR_ASSIGN(divisor, parse_quantity(text));
  }
  if (divisor <= 0) divisor = 1;
  // 0.3 / 0.001 is 300.00000000000006 in binary.
  return std::to_string(static_cast<std::int64_t>(std::ceil(amount / divisor - 1e-9)));
}

std::string expand(std::string_view text, const KeyValues& values) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '$' || i + 1 == text.size()) {
      out += text[i];
    } else if (text[i + 1] == '$') {
      out += '$';
      ++i;
    } else if (text[i + 1] == '(') {
      const std::size_t close = text.find(')', i);
      const auto known = close == std::string_view::npos
                             ? values.end()
                             : values.find(std::string(text.substr(i + 2, close - i - 2)));
      if (known == values.end()) {
        out += '$';
      } else {
        out += known->second;
        i = close;
      }
    } else {
      out += '$';
    }
  }
  return out;
}

Result<Pairs> environment_of(const PodFacts& facts, const ContainerSpec& container,
                             const Pairs& base, const Lookup& lookup) {
  Pairs out = base;
  if (const Value* list = container.body.find("envFrom")) {
    for (std::size_t i = 0; i < list->items().size(); ++i) {
      MR_TRY(add_all(out, list->items()[i], lookup).with(at("envFrom", container, i)));
    }
  }
  const Value* list = container.body.find("env");
  if (list == nullptr) return out;
  for (std::size_t i = 0; i < list->items().size(); ++i) {
    const Value& entry = list->items()[i];
    const std::string& name = text_of(entry, "name");
    if (name.empty() || name.find('=') != std::string::npos) {
      return fail(Code::Invalid, at("env", container, i) + ".name: not a variable's name");
    }
    if (const Value* from = entry.find("valueFrom"); from != nullptr && from->is_object()) {
      MR_ASSIGN(
          std::optional<std::string> value,
          value_from(facts, container, *from, lookup).with(at("env", container, i) + " " + name));
      if (value) set(out, name, *std::move(value));
    } else {
      set(out, name, expand(text_of(entry, "value"), map_of(out)));
    }
  }
  return out;
}

Command command_of(const ContainerSpec& container, const Pairs& environment,
                   const std::vector<std::string>& entry_point) {
  const KeyValues values = map_of(environment);
  Command out;
  const auto add = [&](const char* key, std::vector<std::string>& words) {
    const Value* list = container.body.find(key);
    if (list == nullptr) return;
    for (const Value& word : list->items()) words.push_back(expand(word.as_string(), values));
  };
  add("command", out.command);
  if (out.command.empty()) out.command = entry_point;
  add("args", out.args);
  return out;
}

}  // namespace millrace::executor
