#include "local/apiserver/wire.h"

#include <algorithm>
#include <array>

#include "local/apiserver/json_body.h"

namespace millrace::apiserver {
namespace {

using codec::Value;

constexpr std::string_view kVersionField = "\"resourceVersion\":\"";

void append_member(std::string& out, std::string_view key, const Value& value) {
  if (out.back() != '{') out += ',';
  codec::append_json_string(out, key);
  out += ':';
  if (value.is_string()) {
    codec::append_json_string(out, value.as_string());
  } else {
    out += value.dump();
  }
}

// The order of the real server, up to where the version stands and after it.
constexpr std::array<std::string_view, 4> kBefore = {"name", "generateName", "namespace", "uid"};
constexpr std::array<std::string_view, 9> kAfter = {
    "generation",   "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds",
    "labels",       "annotations",       "ownerReferences",   "finalizers",
    "managedFields"};

bool is_ordered(std::string_view key) {
  return key == "resourceVersion" ||
         std::find(kBefore.begin(), kBefore.end(), key) != kBefore.end() ||
         std::find(kAfter.begin(), kAfter.end(), key) != kAfter.end();
}

void append_head(std::string& out, const Value& object) {
  out += '{';
  for (const std::string_view key : {"kind", "apiVersion"}) {
    const Value* value = object.find(key);
    append_member(out, key, value == nullptr ? Value("") : *value);
  }
  out += ",\"metadata\":{";
  const Value* metadata = object.find("metadata");
  for (const std::string_view key : kBefore) {
    const Value* value = metadata == nullptr ? nullptr : metadata->find(key);
    if (value != nullptr) append_member(out, key, *value);
  }
}

void append_tail(std::string& out, const Value& object) {
  if (const Value* metadata = object.find("metadata")) {
    for (const std::string_view key : kAfter) {
      if (const Value* value = metadata->find(key)) append_member(out, key, *value);
    }
    for (const auto& [key, value] : metadata->members()) {
      if (!is_ordered(key)) append_member(out, key, value);
    }
  }
  out += '}';
  for (const auto& [key, value] : object.members()) {
    if (key != "kind" && key != "apiVersion" && key != "metadata") append_member(out, key, value);
  }
  out += '}';
}

}  // namespace

std::string Wire::with(std::uint64_t version) const {
  const std::string number = std::to_string(version);
  std::string out;
  out.reserve(head.size() + number.size() + tail.size());
  out += head;
  out += number;
  out += tail;
  return out;
}

Wire to_wire(const Value& object) {
  Wire wire;
  append_head(wire.head, object);
  if (wire.head.back() != '{') wire.head += ',';
  wire.head += kVersionField;
  wire.tail = "\"";
  append_tail(wire.tail, object);
  return wire;
}

std::string without_version(const Value& object) {
  std::string out;
  append_head(out, object);
  append_tail(out, object);
  return out;
}

std::string with_version(std::string_view json, std::uint64_t version) {
  // The first occurrence is the member itself: quotes inside of strings before it are escaped.
  const std::size_t field = json.find(kVersionField);
  if (field == std::string_view::npos) return std::string(json);
  const std::size_t start = field + kVersionField.size();
  const std::size_t end = json.find('"', start);
  std::string out(json.substr(0, start));
  out += std::to_string(version);
  out += json.substr(end);
  return out;
}

std::string text_prefix(const schema::Kind& kind) {
  std::string out = "{\"kind\":";
  codec::append_json_string(out, kind.resource.kind);
  out += ",\"apiVersion\":";
  codec::append_json_string(out, kind.resource.api_version());
  return out + ',';
}

codec::Value parse_stored(std::string_view json) {
  JsonBody body = read_json(json);
  MR_CHECK(body.error.empty());
  return std::move(body.value);
}

}  // namespace millrace::apiserver
