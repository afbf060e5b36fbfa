#include "local/apiserver/render.h"

#include <utility>

#include "kubeclient/base/json_quote.h"
#include "kubeclient/codec/yaml.h"
#include "local/apiserver/wire.h"

namespace millrace::apiserver {
namespace {

using codec::Value;

constexpr std::size_t kMostWarningBytes = 4096;
constexpr std::string_view kInitialEventsEnd = "k8s.io/initial-events-end";

Value partial(const Value& object) {
  Value out = Value::object({{"kind", "PartialObjectMetadata"}, {"apiVersion", "meta.k8s.io/v1"}});
  if (const Value* metadata = object.find("metadata")) out["metadata"] = *metadata;
  return out;
}

Value version_of(const Value& object) {
  Value metadata = Value::object();
  if (const Value* version = object.at_path({"metadata", "resourceVersion"})) {
    metadata["resourceVersion"] = *version;
  }
  return metadata;
}

/// A Warning header's value. Source: RFC 7234, section 5.5; code 299.
std::string warning_header(std::string_view text) {
  std::string out = "299 - \"";
  for (const char c : text.substr(0, kMostWarningBytes)) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + '"';
}

}  // namespace

Answer<Renderer> renderer_for(const Request& request, const schema::Kind& kind, Time now) {
  auto output = negotiate(request, kind);
  if (!output) return Refused(std::move(output).error());
  return Renderer::make(request, kind, *output, now);
}

void add_warnings(Response& response, const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    response.headers.emplace_back("Warning", warning_header(text));
  }
}

Response make_response(int status, std::string json, Output output) {
  Response response;
  response.status = status;
  if (output.format == Format::Yaml) {
    response.content_type = "application/yaml";
    response.body = codec::to_yaml(parse_stored(json));
  } else if (output.pretty) {
    response.body = parse_stored(json).pretty() + '\n';
  } else {
    response.body = std::move(json);
    response.body += '\n';
  }
  return response;
}

Answer<Renderer> Renderer::make(const Request& request, const schema::Kind& kind, Output output,
                                Time now) {
  const std::string_view given = request.get("includeObject");
  const auto include = parse_include_object(given);
  if (!include && output.view == View::Table) {
    return bad_request("Unable to convert to Table as requested: includeObject: Invalid value: " +
                       json_quote(given) + ": must be 'Metadata', 'Object', 'None', or empty");
  }
  return Renderer(kind, output, include.value_or(IncludeObject::Metadata), now);
}

Value Renderer::value_of(std::string_view json) const {
  Value stored = parse_stored(json);
  return kind_->from_stored == nullptr ? stored : kind_->from_stored(stored);
}

std::string Renderer::text_of(std::string_view json) const {
  if (kind_->from_stored == nullptr) return std::string(json);
  return value_of(json).dump();
}

Answer<Response> Renderer::object(std::string_view json, int status) const {
  switch (output_.view) {
    case View::Object:
      return make_response(status, text_of(json), output_);
    case View::Partial:
      return make_response(status, partial(value_of(json)).dump(), output_);
    case View::Table: {
      const Value object = value_of(json);
      std::vector<Value> rows;
      rows.push_back(table_row(object, *kind_, include_, now_));
      return make_response(
          status, make_table(*kind_, version_of(object), std::move(rows), WithColumns::Yes).dump(),
          output_);
    }
    case View::PartialList:
      break;
  }
  return not_acceptable(
      "you requested PartialObjectMetadataList, but the requested object is not a list (" +
      std::string(kind_->resource.kind) + ")");
}

std::string Renderer::plain_list(const std::vector<storage::RecordRef>& records,
                                 const Value& metadata) const {
  const std::string prefix = text_prefix(*kind_);
  std::size_t size = 256;
  for (const auto& record : records) size += record->json.size() + 1;
  std::string out;
  out.reserve(size);
  out += "{\"kind\":";
  codec::append_json_string(out, kind_->list_kind);
  out += ",\"apiVersion\":";
  codec::append_json_string(out, kind_->resource.api_version());
  out += ",\"metadata\":";
  out += metadata.dump();
  out += ",\"items\":[";
  bool first = true;
  for (const auto& record : records) {
    if (!first) out += ',';
    first = false;
    const std::string converted =
        kind_->from_stored == nullptr ? std::string() : text_of(record->json);
    std::string_view text = converted.empty() ? std::string_view(record->json) : converted;
    // Items of built-in kinds come without kind and apiVersion, as the list says both.
    if (!kind_->custom && text.starts_with(prefix)) {
      out += '{';
      text.remove_prefix(prefix.size());
    }
    out += text;
  }
  out += "]}";
  return out;
}

/// Put a part for each record into `text`, a list that ends in an empty array. One record after
/// another: all of them as documents at once would take a hundred times the memory.
template <class Part>
std::string Renderer::filled(std::string text, const std::vector<storage::RecordRef>& records,
                             const Part& part) const {
  if (records.empty()) return text;
  constexpr std::string_view kEnd = "]}";
  MR_CHECK(text.ends_with("[]}"));
  text.resize(text.size() - kEnd.size());
  bool first = true;
  for (const auto& record : records) {
    if (!first) text += ',';
    first = false;
    text += part(value_of(record->json)).dump();
  }
  text += kEnd;
  return text;
}

Answer<Response> Renderer::list(const std::vector<storage::RecordRef>& records,
                                Value metadata) const {
  switch (output_.view) {
    case View::Object:
      if (kind_->custom && metadata.find("continue") == nullptr) metadata["continue"] = "";
      return make_response(200, plain_list(records, metadata), output_);
    case View::PartialList: {
      const Value list = Value::object({{"kind", "PartialObjectMetadataList"},
                                        {"apiVersion", "meta.k8s.io/v1"},
                                        {"metadata", std::move(metadata)},
                                        {"items", records.empty() ? Value() : Value::array()}});
      return make_response(
          200, filled(list.dump(), records, [](const Value& object) { return partial(object); }),
          output_);
    }
    case View::Table: {
      const Value table = make_table(*kind_, std::move(metadata), {}, WithColumns::Yes);
      return make_response(
          200,
          filled(table.dump(), records,
                 [this](const Value& object) { return table_row(object, *kind_, include_, now_); }),
          output_);
    }
    case View::Partial:
      break;
  }
  return not_acceptable(
      "you requested PartialObjectMetadata, but the requested object is a list (" +
      kind_->list_kind + ")");
}

std::string Renderer::watched(std::string_view json, WithColumns columns, Time now) const {
  if (output_.view == View::Object) return text_of(json);
  const Value object = value_of(json);
  if (output_.view != View::Table) return partial(object).dump();
  std::vector<Value> rows;
  rows.push_back(table_row(object, *kind_, include_, now));
  return make_table(*kind_, version_of(object), std::move(rows), columns).dump();
}

std::string Renderer::bookmark(std::uint64_t version, bool initial_events_end,
                               WithColumns columns) const {
  Value metadata = Value::object({{"resourceVersion", std::to_string(version)}});
  if (initial_events_end) {
    metadata["annotations"] = Value::object({{std::string(kInitialEventsEnd), "true"}});
  }
  Value object = Value::object({{"kind", std::string(kind_->resource.kind)},
                                {"apiVersion", kind_->resource.api_version()},
                                {"metadata", std::move(metadata)}});
  if (output_.view == View::Object) return object.dump();
  if (output_.view != View::Table) return partial(object).dump();
  std::vector<Value> rows;
  rows.push_back(table_row(object, *kind_, include_, now_));
  return make_table(*kind_, version_of(object), std::move(rows), columns).dump();
}

}  // namespace millrace::apiserver
