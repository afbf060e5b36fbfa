#include "local/apiserver/negotiation.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace millrace::apiserver {
namespace {

struct Clause {
  std::string_view type;
  std::string_view as;
  std::string_view version;
  std::string_view group;
  bool pretty = false;
  double quality = 1;
};

constexpr std::size_t kMostClauses = 64;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// Cut off and give the text up to the next `separator`.
std::string_view next_part(std::string_view& rest, char separator) {
  const std::size_t end = rest.find(separator);
  const std::string_view part = trimmed(rest.substr(0, end));
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  return part;
}

Clause parse_clause(std::string_view text) {
  Clause clause;
  clause.type = next_part(text, ';');
  while (!text.empty()) {
    std::string_view value = next_part(text, ';');
    const std::string_view name = next_part(value, '=');
    if (name == "as") clause.as = value;
    if (name == "v") clause.version = value;
    if (name == "g") clause.group = value;
    if (name == "pretty") clause.pretty = value == "1" || value == "true";
    if (name == "q") std::from_chars(value.data(), value.data() + value.size(), clause.quality);
  }
  return clause;
}

/// Best first.
std::vector<Clause> parse_accept(std::string_view accept) {
  std::vector<Clause> clauses;
  while (!accept.empty() && clauses.size() < kMostClauses) {
    const std::string_view part = next_part(accept, ',');
    if (!part.empty()) clauses.push_back(parse_clause(part));
  }
  std::stable_sort(clauses.begin(), clauses.end(),
                   [](const Clause& a, const Clause& b) { return a.quality > b.quality; });
  return clauses;
}

std::optional<Format> format_of(std::string_view type) {
  if (type == "application/json" || type == "application/*" || type == "*/*" || type.empty()) {
    return Format::Json;
  }
  if (type == "application/yaml") return Format::Yaml;
  return std::nullopt;
}

std::optional<View> view_of(const Clause& clause) {
  if (clause.as.empty()) return View::Object;
  if (clause.group != "meta.k8s.io" || clause.version != "v1") return std::nullopt;
  if (clause.as == "Table") return View::Table;
  if (clause.as == "PartialObjectMetadata") return View::Partial;
  if (clause.as == "PartialObjectMetadataList") return View::PartialList;
  return std::nullopt;
}

}  // namespace

Answer<Output> negotiate(const Request& request, const schema::Kind& kind) {
  Output output;
  output.pretty = query_flag(request, "pretty");
  if (trimmed(request.accept).empty()) return output;
  bool known_type = false;
  for (const Clause& clause : parse_accept(request.accept)) {
    const auto format = format_of(clause.type);
    if (clause.type == "application/vnd.kubernetes.protobuf") known_type = true;
    if (!format) continue;
    known_type = true;
    const auto view = view_of(clause);
    if (!view) continue;
    output.format = *format;
    output.view = *view;
    output.pretty = output.pretty || clause.pretty;
    return output;
  }
  if (known_type || kind.custom) {
    return not_acceptable(
        "only the following media types are accepted: application/json, application/yaml, "
        "application/vnd.kubernetes.protobuf");
  }
  auto refusal = not_acceptable(
      "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, "
      "application/vnd.kubernetes.protobuf, application/json;stream=watch, "
      "application/vnd.kubernetes.protobuf;stream=watch");
  refusal.value().details = codec::Value::object();
  return refusal;
}

bool wants_aggregated_discovery(std::string_view accept) {
  for (const Clause& clause : parse_accept(accept)) {
    if (!format_of(clause.type)) continue;
    return clause.as == "APIGroupDiscoveryList" && clause.group == "apidiscovery.k8s.io" &&
           clause.version == "v2";
  }
  return false;
}

std::optional<std::string_view> choose_type(std::string_view accept,
                                            std::initializer_list<std::string_view> types) {
  const auto clauses = parse_accept(accept);
  if (clauses.empty()) return *types.begin();
  for (const Clause& clause : clauses) {
    for (const std::string_view type : types) {
      const std::string_view group = type.substr(0, type.find('/') + 1);
      const bool any = clause.type == "*/*" ||
                       (clause.type.starts_with(group) && clause.type.substr(group.size()) == "*");
      if (any || clause.type == type) return type;
    }
  }
  return std::nullopt;
}

bool query_flag(const Request& request, std::string_view name) {
  for (const auto& [key, value] : request.query) {
    if (key != name) continue;
    std::string lower = value;
    for (char& c : lower) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return lower != "false" && lower != "0";
  }
  return false;
}

}  // namespace millrace::apiserver
