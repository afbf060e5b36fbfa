#include "local/schema/names.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace millrace::schema {
namespace {

using codec::Value;

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return is_lower(c) || (c >= 'A' && c <= 'Z'); }
bool is_lower_or_digit(char c) { return is_lower(c) || is_digit(c); }
bool is_word(char c) { return is_letter(c) || is_digit(c); }

/// `[ends]([middle]*[ends])?`
bool has_form(std::string_view text, bool (*ends)(char), std::string_view middle) {
  if (text.empty() || !ends(text.front()) || !ends(text.back())) return false;
  return std::all_of(text.begin(), text.end(),
                     [&](char c) { return ends(c) || middle.find(c) != std::string_view::npos; });
}

bool is_subdomain(std::string_view text) {
  while (true) {
    const std::size_t dot = text.find('.');
    if (!has_form(text.substr(0, dot), &is_lower_or_digit, "-")) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

std::string too_long(std::size_t limit) {
  return "must be no more than " + std::to_string(limit) + " characters";
}

void check_length(Faults& faults, std::string_view text, std::size_t limit) {
  if (text.size() > limit) faults.push_back(too_long(limit));
}

const std::string kNamePart =
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

}  // namespace

const Value& at(const Value& value, std::string_view name) {
  static const Value none;
  const Value* member = value.find(name);
  return member == nullptr ? none : *member;
}

Faults dns_label_faults(std::string_view text) {
  Faults faults;
  check_length(faults, text, 63);
  if (!has_form(text, &is_lower_or_digit, "-")) {
    faults.push_back(
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
        "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex "
        "used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')");
  }
  return faults;
}

Faults dns_1035_faults(std::string_view text) {
  Faults faults;
  check_length(faults, text, 63);
  if (!has_form(text, &is_lower_or_digit, "-") || !is_lower(text.front())) {
    faults.push_back(
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
        "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or "
        "'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')");
  }
  return faults;
}

Faults dns_subdomain_faults(std::string_view text) {
  Faults faults;
  check_length(faults, text, 253);
  if (!is_subdomain(text)) {
    faults.push_back(
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
        "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex "
        "used for validation is "
        "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')");
  }
  return faults;
}

Faults qualified_name_faults(std::string_view text) {
  Faults faults;
  const std::size_t slash = text.find('/');
  std::string_view name = text;
  if (slash != std::string_view::npos) {
    const std::string_view prefix = text.substr(0, slash);
    name = text.substr(slash + 1);
    if (name.find('/') != std::string_view::npos) {
      return {
          "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must "
          "start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or "
          "'123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') "
          "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"};
    }
    if (prefix.empty()) faults.push_back("prefix part must be non-empty");
    if (!prefix.empty()) {
      for (const std::string& fault : dns_subdomain_faults(prefix)) {
        faults.push_back("prefix part " + fault);
      }
    }
  }
  if (name.empty()) faults.push_back("name part must be non-empty");
  if (name.size() > 63) faults.push_back("name part " + too_long(63));
  if (!has_form(name, &is_word, "-_.")) faults.push_back(kNamePart);
  return faults;
}

Faults label_value_faults(std::string_view text) {
  Faults faults;
  check_length(faults, text, 63);
  if (!text.empty() && !has_form(text, &is_word, "-_.")) {
    faults.push_back(
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
        "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or "
        "'my_value',  or '12345', regex used for validation is "
        "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')");
  }
  return faults;
}

Faults config_key_faults(std::string_view text) {
  Faults faults;
  check_length(faults, text, 253);
  const bool right = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return is_word(c) || c == '-' || c == '_' || c == '.';
  });
  if (!right) {
    faults.push_back(
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "
        "'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is "
        "'[-._a-zA-Z0-9]+')");
  }
  if (text == ".") {
    faults.push_back("must not be '.'");
  } else if (text == "..") {
    faults.push_back("must not be '..'");
  } else if (text.substr(0, 2) == "..") {
    faults.push_back("must not start with '..'");
  }
  return faults;
}

Faults env_name_faults(std::string_view text) {
  const bool right = std::all_of(text.begin(), text.end(),
                                 [](char c) { return c >= ' ' && c <= '~' && c != '='; });
  if (right) return {};
  return {
      "a valid environment variable name must consist only of printable ASCII characters other "
      "than '='"};
}

Faults port_name_faults(std::string_view text) {
  Faults faults;
  check_length(faults, text, 15);
  if (!std::all_of(text.begin(), text.end(),
                   [](char c) { return is_lower_or_digit(c) || c == '-'; })) {
    faults.push_back("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  }
  if (std::none_of(text.begin(), text.end(), &is_lower)) {
    faults.push_back("must contain at least one letter (a-z)");
  }
  if (text.find("--") != std::string_view::npos) {
    faults.push_back("must not contain consecutive hyphens");
  }
  if (!text.empty() && (text.front() == '-' || text.back() == '-')) {
    faults.push_back("must not begin or end with a hyphen");
  }
  return faults;
}

void add_faults(Problems& problems, const Path& path, const Value& value, const Faults& faults) {
  for (const std::string& fault : faults) problems.invalid(path, value, fault);
}

void check_at_least(Problems& problems, const Path& path, const Value& number, std::int64_t least) {
  if (number.is_null() || number.as_int() >= least) return;
  problems.invalid(path, number,
                   least == 0 ? "must be greater than or equal to 0" : "must be greater than 0");
}

void check_choice(Problems& problems, const Path& path, const Value& value,
                  const std::vector<std::string>& choices) {
  if (value.is_null()) return;
  if (std::find(choices.begin(), choices.end(), value.as_string()) != choices.end()) return;
  problems.unsupported(path, value, choices);
}

void check_port(Problems& problems, const Path& path, const Value& number) {
  if (number.as_int() >= 1 && number.as_int() <= 65535) return;
  problems.invalid(path, number.is_null() ? Value(0) : number,
                   "must be between 1 and 65535, inclusive");
}

void check_port_or_name(Problems& problems, const Path& path, const Value& port) {
  if (!port.is_string()) return check_port(problems, path, port);
  add_faults(problems, path, port, port_name_faults(port.as_string()));
}

void check_labels(Problems& problems, const Path& path, const Value& labels) {
  for (const auto& [key, value] : labels.members()) {
    add_faults(problems, path, key, qualified_name_faults(key));
    add_faults(problems, path, value, label_value_faults(value.as_string()));
  }
}

void check_selector(Problems& problems, const Path& path, const Value& selector) {
  check_labels(problems, path / "matchLabels", at(selector, "matchLabels"));
  std::size_t index = 0;
  for (const Value& term : at(selector, "matchExpressions").items()) {
    const Path place = (path / "matchExpressions")[index++];
    const std::string& op = at(term, "operator").as_string();
    const bool has_values = !at(term, "values").items().empty();
    if (op == "In" || op == "NotIn") {
      if (!has_values) {
        problems.required(place / "values", "must be specified when `operator` is 'In' or 'NotIn'");
      }
    } else if (op == "Exists" || op == "DoesNotExist") {
      if (has_values) {
        problems.forbidden(place / "values",
                           "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
      }
    } else {
      problems.invalid(place / "operator", op, "not a valid selector operator");
    }
    const Value& key = at(term, "key");
    add_faults(problems, place / "key", key, qualified_name_faults(key.as_string()));
  }
}

bool selector_matches(const Value& selector, const Value& labels) {
  for (const auto& [key, value] : at(selector, "matchLabels").members()) {
    if (!(at(labels, key) == value)) return false;
  }
  for (const Value& term : at(selector, "matchExpressions").items()) {
    const std::string& op = at(term, "operator").as_string();
    const Value& label = at(labels, at(term, "key").as_string());
    const auto& values = at(term, "values").items();
    const bool among = std::find(values.begin(), values.end(), label) != values.end();
    const bool holds = op == "In"             ? among
                       : op == "NotIn"        ? !among
                       : op == "Exists"       ? !label.is_null()
                       : op == "DoesNotExist" ? label.is_null()
                                              : false;
    if (!holds) return false;
  }
  return true;
}

bool is_address(std::string_view text) {
  if (text.find(':') != std::string_view::npos) {
    return text.size() >= 2 && std::all_of(text.begin(), text.end(), [](char c) {
             return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':' ||
                    c == '.';
           });
  }
  int parts = 0;
  while (true) {
    const std::size_t dot = text.find('.');
    const std::string_view part = text.substr(0, dot);
    if (part.empty() || part.size() > 3 || !std::all_of(part.begin(), part.end(), &is_digit)) {
      return false;
    }
    if (part.size() > 1 && part.front() == '0') return false;
    if (std::stoi(std::string(part)) > 255) return false;
    ++parts;
    if (dot == std::string_view::npos) return parts == 4;
    text.remove_prefix(dot + 1);
  }
}

}  // namespace millrace::schema
