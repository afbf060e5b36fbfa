#include "local/apiserver/request_options.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "kubeclient/base/hash.h"
#include "kubeclient/base/json_quote.h"
#include "local/apiserver/json_body.h"
#include "local/apiserver/negotiation.h"
#include "local/apiserver/request_body.h"

namespace millrace::apiserver {
namespace {

using codec::Value;

constexpr std::size_t kMostManager = 128;  ///< [bytes]

bool has(const Request& request, std::string_view name) {
  return std::any_of(request.query.begin(), request.query.end(),
                     [&](const auto& pair) { return pair.first == name; });
}

std::string upper_hex(char byte) {
  std::string out = hex(static_cast<unsigned char>(byte), 4);
  for (char& c : out) c = c >= 'a' ? static_cast<char>(c - 'a' + 'A') : c;
  return out;
}

bool is_printable(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x20 && byte != 0x7F;
}

/// The manager of who gives none: the user agent up to its first slash.
std::string manager_of_agent(std::string_view agent) {
  std::string name(agent.substr(0, agent.find('/')));
  std::erase_if(name, [](char c) { return !is_printable(c); });
  if (name.size() > kMostManager) name.resize(kMostManager);
  return name.empty() ? "unknown" : name;
}

std::string_view options_kind(Writing writing) {
  if (writing == Writing::Create) return "CreateOptions";
  return writing == Writing::Update ? "UpdateOptions" : "PatchOptions";
}

/// dryRun may be given several times; every value must be "All".
Answer<bool> dry_run_of(const std::vector<std::string>& values, std::string_view kind) {
  std::string list;
  bool wrong = false;
  for (const std::string& value : values) {
    list += (list.empty() ? "" : ",") + json_quote(value);
    wrong = wrong || value != "All";
  }
  if (wrong) {
    return invalid_options(kind, "dryRun", "FieldValueNotSupported",
                           "Unsupported value: [" + list + "]: supported values: \"All\"");
  }
  return !values.empty();
}

std::vector<std::string> all_of(const Request& request, std::string_view name) {
  std::vector<std::string> values;
  for (const auto& [key, value] : request.query) {
    if (key == name) values.push_back(value);
  }
  return values;
}

Answer<std::string> checked_manager(const Request& request, Writing writing) {
  const std::string_view given = request.get("fieldManager");
  const std::string_view kind = options_kind(writing);
  if (given.empty()) {
    if (writing != Writing::Apply) return manager_of_agent(request.user_agent);
    return invalid_options(kind, "fieldManager", "FieldValueRequired",
                           "Required value: is required for apply patch");
  }
  if (given.size() > kMostManager) {
    return invalid_options(kind, "fieldManager", "FieldValueTooLong",
                           "Too long: may not be more than 128 bytes");
  }
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (is_printable(given[i])) continue;
    return invalid_options(kind, "fieldManager", "FieldValueInvalid",
                           "Invalid value: " + json_quote(given) + ": invalid character U+" +
                               upper_hex(given[i]) + " (at position " + std::to_string(i) + ")");
  }
  return std::string(given);
}

Refused forbidden_list_option(std::string field, std::string why) {
  return invalid_options("ListOptions", std::move(field), "FieldValueForbidden",
                         "Forbidden: " + std::move(why));
}

/// What resourceVersionMatch and sendInitialEvents may be together with the others.
std::optional<Refused> check_match(const Request& request, Reading reading,
                                   const ListOptions& options) {
  const std::string_view match = request.get("resourceVersionMatch");
  const std::string_view version = request.get("resourceVersion");
  if (reading == Reading::Watch) {
    if (match.empty()) {
      if (!options.send_initial_events) return std::nullopt;
      return forbidden_list_option(
          "resourceVersionMatch",
          "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
    }
    if (!options.send_initial_events) {
      return forbidden_list_option(
          "resourceVersionMatch",
          "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
    }
    if (match != "NotOlderThan") {
      return invalid_options(
          "ListOptions", "resourceVersionMatch", "FieldValueNotSupported",
          "Unsupported value: " + json_quote(match) + ": supported values: \"NotOlderThan\"");
    }
    return std::nullopt;
  }
  if (options.send_initial_events) {
    return forbidden_list_option("sendInitialEvents", "sendInitialEvents is forbidden for list");
  }
  if (match.empty()) return std::nullopt;
  if (!options.continue_token.empty()) {
    return forbidden_list_option("resourceVersionMatch",
                                 "resourceVersionMatch is forbidden when continue is provided");
  }
  if (version.empty()) {
    return forbidden_list_option(
        "resourceVersionMatch",
        "resourceVersionMatch is forbidden unless resourceVersion is provided");
  }
  if (match != "Exact" && match != "NotOlderThan") {
    return invalid_options("ListOptions", "resourceVersionMatch", "FieldValueNotSupported",
                           "Unsupported value: " + json_quote(match) +
                               ": supported values: \"Exact\", \"NotOlderThan\", \"\"");
  }
  if (match == "Exact" && version == "0") {
    return forbidden_list_option(
        "resourceVersionMatch",
        "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
  }
  return std::nullopt;
}

const char* json_type(const Value& value) {
  return value.is_string()   ? "string"
         : value.is_bool()   ? "bool"
         : value.is_array()  ? "array"
         : value.is_object() ? "object"
                             : "number";
}

/// Values of another type than DeleteOptions has there: an option is never overlooked.
std::optional<Refused> check_delete_shape(const Value& document) {
  const auto wrong = [](const Value& value, std::string_view place) {
    return plain_error("json: cannot unmarshal " + std::string(json_type(value)) + " into Go " +
                       std::string(place));
  };
  if (!document.is_object()) {
    return plain_error("couldn't get version/kind; json parse error: json: cannot unmarshal " +
                       std::string(json_type(document)) +
                       " into Go value of type struct { APIVersion string "
                       "\"json:\\\"apiVersion,omitempty\\\"\"; Kind string "
                       "\"json:\\\"kind,omitempty\\\"\" }");
  }
  const auto given = [&document](std::string_view member) {
    const Value* value = document.find(member);
    return value == nullptr || value->is_null() ? nullptr : value;
  };
  if (const Value* grace = given("gracePeriodSeconds"); grace != nullptr && !grace->is_int()) {
    return wrong(*grace, "struct field DeleteOptions.gracePeriodSeconds of type int64");
  }
  if (const Value* what = given("preconditions"); what != nullptr && !what->is_object()) {
    return wrong(*what, "struct field DeleteOptions.preconditions of type v1.Preconditions");
  }
  if (const Value* orphan = given("orphanDependents"); orphan != nullptr && !orphan->is_bool()) {
    return wrong(*orphan, "struct field DeleteOptions.orphanDependents of type bool");
  }
  if (const Value* policy = given("propagationPolicy"); policy != nullptr && !policy->is_string()) {
    return wrong(*policy,
                 "struct field DeleteOptions.propagationPolicy of type "
                 "v1.DeletionPropagation");
  }
  if (const Value* dry_run = given("dryRun"); dry_run != nullptr && !dry_run->is_array()) {
    return wrong(*dry_run, "struct field DeleteOptions.dryRun of type []string");
  }
  return std::nullopt;
}

/// DeleteOptions as one document: the body, with what the query says on top when there is none.
Answer<Value> delete_document(const Request& request) {
  if (!request.body.empty()) {
    if (!is_body_type(media_type(request.content_type))) return unsupported_body(kBodyTypes);
    auto document = parse_body(request);
    if (!document.error.empty()) {
      return plain_error("couldn't get version/kind; json parse error: " + document.error);
    }
    const Value* kind = document.value.find("kind");
    if (kind != nullptr && !kind->as_string().empty() && kind->as_string() != "DeleteOptions") {
      const Value* version = document.value.find("apiVersion");
      return plain_error("no kind " + json_quote(kind->as_string()) +
                         " is registered for version " +
                         json_quote(version == nullptr ? "" : version->as_string()) +
                         " in scheme \"pkg/runtime/scheme.go:110\"");
    }
    if (auto refusal = check_delete_shape(document.value)) return *std::move(refusal);
    return std::move(document.value);
  }
  Value document = Value::object();
  for (const std::string& value : all_of(request, "dryRun")) document["dryRun"].push_back(value);
  if (has(request, "propagationPolicy")) {
    document["propagationPolicy"] = request.get("propagationPolicy");
  }
  if (has(request, "orphanDependents")) {
    document["orphanDependents"] = query_flag(request, "orphanDependents");
  }
  auto grace = query_number(request, "gracePeriodSeconds");
  if (!grace) return Refused(std::move(grace).error());
  if (*grace) document["gracePeriodSeconds"] = **grace;
  return document;
}

Answer<std::optional<Propagation>> propagation_of(const Value& document) {
  const Value* orphan = document.find("orphanDependents");
  const Value* policy = document.find("propagationPolicy");
  if (orphan != nullptr && !orphan->is_bool()) orphan = nullptr;
  if (policy == nullptr || policy->is_null()) {
    if (orphan == nullptr) return std::optional<Propagation>();
    return std::optional(orphan->as_bool() ? Propagation::Orphan : Propagation::Background);
  }
  const std::string& text = policy->as_string();
  if (orphan != nullptr) {
    return invalid_options("DeleteOptions", "propagationPolicy", "FieldValueInvalid",
                           "Invalid value: " + json_quote(text) +
                               ": orphanDependents and deletionPropagation cannot be both set");
  }
  if (text == "Background") return std::optional(Propagation::Background);
  if (text == "Foreground") return std::optional(Propagation::Foreground);
  if (text == "Orphan") return std::optional(Propagation::Orphan);
  return invalid_options(
      "DeleteOptions", "propagationPolicy", "FieldValueNotSupported",
      "Unsupported value: " + json_quote(text) +
          ": supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\"");
}

}  // namespace

Answer<std::optional<std::int64_t>> query_number(const Request& request, std::string_view name) {
  const std::string_view text = request.get(name);
  if (text.empty()) return std::optional<std::int64_t>();
  std::int64_t number = 0;
  const char* last = text.data() + text.size();
  const auto end = std::from_chars(text.data() + (text.front() == '+' ? 1 : 0), last, number);
  if (end.ec == std::errc::result_out_of_range) {
    return bad_request("strconv.ParseInt: parsing " + json_quote(text) + ": value out of range");
  }
  if (end.ec != std::errc() || end.ptr != last) {
    return bad_request("strconv.ParseInt: parsing " + json_quote(text) + ": invalid syntax");
  }
  return std::optional(number);
}

Answer<WriteOptions> write_options(const Request& request, Writing writing) {
  WriteOptions options;
  const std::string_view kind = options_kind(writing);
  auto dry_run = dry_run_of(all_of(request, "dryRun"), kind);
  if (!dry_run) return Refused(std::move(dry_run).error());
  options.dry_run = *dry_run;
  if (has(request, "force") && writing == Writing::Patch) {
    return invalid_options(kind, "force", "FieldValueForbidden",
                           "Forbidden: may not be specified for non-apply patch");
  }
  options.force = writing == Writing::Apply && query_flag(request, "force");
  auto manager = checked_manager(request, writing);
  if (!manager) return Refused(std::move(manager).error());
  options.manager = *std::move(manager);
  const std::string_view validation = request.get("fieldValidation");
  if (validation == "Strict") {
    options.validation = FieldValidation::Strict;
  } else if (validation == "Ignore") {
    options.validation = FieldValidation::Ignore;
  } else if (!validation.empty() && validation != "Warn") {
    return invalid_options(kind, "fieldValidation", "FieldValueNotSupported",
                           "Unsupported value: " + json_quote(validation) +
                               ": supported values: \"\", \"Ignore\", \"Strict\", \"Warn\"");
  }
  return options;
}

Answer<ListOptions> list_options(const Request& request, const schema::Kind& kind,
                                 Reading reading) {
  ListOptions options;
  auto selector = parse_selector(request.get("labelSelector"), request.get("fieldSelector"), kind);
  if (!selector) return Refused(std::move(selector).error());
  options.selector = *std::move(selector);
  auto limit = query_number(request, "limit");
  if (!limit) return Refused(std::move(limit).error());
  options.limit = std::max<std::int64_t>(limit->value_or(0), 0);
  auto timeout = query_number(request, "timeoutSeconds");
  if (!timeout) return Refused(std::move(timeout).error());
  options.timeout_seconds = *timeout;
  options.continue_token = request.get("continue");
  options.bookmarks = query_flag(request, "allowWatchBookmarks");
  if (has(request, "sendInitialEvents")) {
    options.send_initial_events = query_flag(request, "sendInitialEvents");
  }
  if (auto refusal = check_match(request, reading, options)) return *std::move(refusal);
  const std::string_view version = request.get("resourceVersion");
  if (!version.empty()) {
    std::uint64_t number = 0;
    const char* last = version.data() + version.size();
    const auto end = std::from_chars(version.data(), last, number);
    if (end.ec != std::errc() || end.ptr != last) {
      const std::string what = "resourceVersion: Invalid value: " + json_quote(version) +
                               ": strconv.ParseUint: parsing " + json_quote(version) +
                               ": invalid syntax";
      if (reading == Reading::Watch) return plain_error(what);
      return bad_request("invalid resource version: " + what);
    }
    options.version = number;
    const std::string_view match = request.get("resourceVersionMatch");
    options.exact = match == "Exact" || (match.empty() && options.limit > 0 && number > 0);
  }
  if (!options.continue_token.empty() && options.version.value_or(0) != 0) {
    return bad_request("specifying resource version is not allowed when using continue");
  }
  return options;
}

Answer<DeleteOptions> delete_options(const Request& request) {
  auto document = delete_document(request);
  if (!document) return Refused(std::move(document).error());
  DeleteOptions options;
  std::vector<std::string> dry_run;
  if (const Value* list = document->find("dryRun")) {
    for (const Value& item : list->items()) dry_run.push_back(item.as_string());
  }
  auto dry = dry_run_of(dry_run, "DeleteOptions");
  if (!dry) return Refused(std::move(dry).error());
  options.dry_run = *dry;
  auto propagation = propagation_of(*document);
  if (!propagation) return Refused(std::move(propagation).error());
  options.deletion.propagation = *propagation;
  const Value* orphan = document->find("orphanDependents");
  options.orphan_denied = orphan != nullptr && orphan->is_bool() && !orphan->as_bool();
  if (const Value* grace = document->find("gracePeriodSeconds"); grace && grace->is_int()) {
    options.deletion.grace_seconds = grace->as_int();
  }
  if (const Value* uid = document->at_path({"preconditions", "uid"})) {
    options.uid = uid->as_string();
  }
  if (const Value* version = document->at_path({"preconditions", "resourceVersion"})) {
    options.version = version->as_string();
  }
  return options;
}

}  // namespace millrace::apiserver
