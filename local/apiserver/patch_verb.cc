#include <algorithm>
#include <map>
#include <utility>

#include "kubeclient/base/json_quote.h"
#include "local/apiserver/draft.h"
#include "local/apiserver/reads.h"
#include "local/apiserver/render.h"
#include "local/apiserver/request_body.h"
#include "local/apiserver/warnings.h"
#include "local/apiserver/write_verbs.h"
#include "local/apiserver/writes.h"
#include "local/patch/managed_fields.h"
#include "local/patch/patch.h"
#include "local/schema/fit.h"

namespace millrace::apiserver {
namespace {

using codec::Value;

enum class PatchKind { Json, Merge, Strategic, Apply };

Answer<PatchKind> patch_kind(const Request& request, const schema::Kind& kind) {
  const std::string type = media_type(request.content_type);
  if (type == "application/json-patch+json") return PatchKind::Json;
  if (type == "application/merge-patch+json") return PatchKind::Merge;
  if (type == "application/apply-patch+yaml") return PatchKind::Apply;
  if (type == "application/strategic-merge-patch+json" && !kind.custom) return PatchKind::Strategic;
  if (kind.custom) {
    return unsupported_body(
        "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml");
  }
  auto refusal = refuse(415, "UnsupportedMediaType", "415: Unsupported Media Type");
  refusal.value().details = Value::object();
  return refusal;
}

/// 422 about the patched document as a whole.
Refused wrong_result(const std::string& document, const std::string& why) {
  return invalid(
      "", "", "",
      {{"patch", "FieldValueInvalid", "Invalid value: " + json_quote(document) + ": " + why}});
}

Refused from_patch(const Error& error) {
  if (error.code == Code::Malformed) return bad_request(error.message);
  if (error.http_status != 0) return refuse(error.http_status, error.reason, error.message);
  auto refusal = refuse(422, "Invalid", error.message);
  refusal.value().details = Value::object();
  return refusal;
}

/// What a patch of one request comes to, on whatever the object is.
class Patch {
 public:
  Patch(const Request& request, const schema::Kind& kind, PatchKind what,
        FieldValidation validation)
      : kind_(kind), what_(what), validation_(validation), body_(read_json(request.body)) {}

  Answer<Edited> operator()(const Value& old) {
    warnings.clear();
    auto patched = apply(old);
    if (!patched) return Refused(std::move(patched).error());
    return fitted(*std::move(patched));
  }

  std::vector<std::string> warnings;

 private:
  Answer<Value> apply(const Value& old) const {
    if (!body_.error.empty()) {
      return bad_request((what_ == PatchKind::Strategic ? "" : "error decoding patch: ") +
                         body_.error);
    }
    if (what_ == PatchKind::Merge) {
      if (auto ok = patch::check_merge(body_.value); !ok.ok()) return from_patch(ok.error());
      return patch::merge(old, body_.value);
    }
    auto result = what_ == PatchKind::Json ? patch::json_patch(old, body_.value)
                                           : patch::strategic_merge(old, body_.value, *kind_.type);
    if (!result.ok()) return from_patch(result.error());
    return *std::move(result);
  }

  Answer<Edited> fitted(Value object) {
    const Value* kind = object.find("kind");
    const Value* version = object.find("apiVersion");
    if (kind == nullptr || kind->as_string() != kind_.resource.kind || version == nullptr ||
        version->as_string() != kind_.resource.api_version()) {
      return wrong_result(object.dump(),
                          "no kind " + json_quote(kind == nullptr ? "" : kind->as_string()) +
                              " is registered for version " +
                              json_quote(version == nullptr ? "" : version->as_string()) +
                              " in scheme \"pkg/runtime/scheme.go:110\"");
    }
    // Only needed for the words of an error; copied only where there may be one.
    const std::string before = validation_ == FieldValidation::Strict ? object.dump() : "";
    auto result = schema::fit(object, kind_);
    if (!result.ok()) {
      return wrong_result(before.empty() ? object.dump() : before, result.error().message);
    }
    std::vector<std::string> strict;
    for (const std::string& path : body_.repeated) {
      strict.push_back("duplicate field " + json_quote(path));
    }
    strict.insert(strict.end(), result->unknown.begin(), result->unknown.end());
    const std::string error = strict_error(std::move(strict), validation_, warnings);
    if (!error.empty()) return wrong_result(before, error);
    merge_owners(object, Sent::AsPatch, warnings);
    return Edited{std::move(object), Tracking::Needed};
  }

  const schema::Kind& kind_;
  const PatchKind what_;
  const FieldValidation validation_;
  const JsonBody body_;
};

Refused apply_conflict(const std::vector<patch::ApplyConflict>& conflicts) {
  Value causes = Value::array();
  std::map<std::string, std::vector<std::string>> by_manager;
  for (const patch::ApplyConflict& conflict : conflicts) {
    causes.push_back(Value::object({{"reason", "FieldManagerConflict"},
                                    {"message", "conflict with " + conflict.manager},
                                    {"field", conflict.path}}));
    by_manager[conflict.manager].push_back(conflict.path);
  }
  std::string message;
  if (conflicts.size() == 1) {
    message = "Apply failed with 1 conflict: conflict with " + conflicts.front().manager + ": " +
              conflicts.front().path;
  } else {
    message = "Apply failed with " + std::to_string(conflicts.size()) + " conflicts: ";
    bool first = true;
    for (const auto& [manager, paths] : by_manager) {
      message += (first ? "conflicts with " : "\nconflicts with ") + manager + ":";
      first = false;
      for (const std::string& path : paths) message += "\n- " + path;
    }
  }
  auto refusal = refuse(409, "Conflict", std::move(message));
  refusal.value().details = Value::object({{"causes", std::move(causes)}});
  return refusal;
}

/// The body of an apply, of the right kind; the apply itself looks at its fields.
Answer<Value> apply_body(const Request& request, const Target& target) {
  const schema::Kind& kind = *target.kind;
  JsonBody body = parse_yaml_text(request.body);
  if (!body.error.empty()) {
    return bad_request("error decoding YAML: error converting YAML to JSON: " + body.error);
  }
  if (!body.value.is_object()) {
    return bad_request(
        "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot "
        "unmarshal " +
        std::string(body.value.kind_name()) + " into Go value of type map[string]interface {}");
  }
  const Value* managed = body.value.at_path({"metadata", "managedFields"});
  if (managed != nullptr && !managed->is_null()) {
    return bad_request("metadata.managedFields must be nil");
  }
  const auto text = [&body](std::string_view key) {
    const Value* value = body.value.find(key);
    return value == nullptr ? std::string() : value->as_string();
  };
  if (text("apiVersion") != kind.resource.api_version() || text("kind") != kind.resource.kind) {
    std::string version = text("apiVersion");
    if (version.find('/') == std::string::npos) version = "/" + version;
    return bad_request("invalid object type: " + version + ", Kind=" + text("kind"));
  }
  return std::move(body.value);
}

Answer<Edited> apply_to(const Value* live, const Value& body, const Target& target,
                        const WriteOptions& options, Time now) {
  const schema::Kind& kind = *target.kind;
  auto applied = patch::apply(live, body, *kind.type,
                              {options.manager, kind.resource.api_version(), target.subresource},
                              options.force, now);
  if (!applied.ok()) return from_patch(applied.error());
  if (!applied->conflicts.empty()) return apply_conflict(applied->conflicts);
  if (kind.custom) {
    const auto problems = schema::null_problems(body, kind, target.subresource);
    if (!problems.empty()) {
      return invalid(kind.resource.group, kind.resource.kind, target.name, problems);
    }
  }
  // Built-in kinds pass through their types, which write values in one way only ("0.5" as "500m").
  if (!kind.custom) {
    if (auto fitted = schema::fit(applied->object, kind); !fitted.ok()) {
      return bad_request(fitted.error().message);
    }
  }
  return Edited{std::move(applied->object), Tracking::Done};
}

Answer<Response> serve_apply(Context& context, const Request& request, const Target& target,
                             const Renderer& renderer, WriteOptions options) {
  std::vector<std::string> warnings;
  options.warnings = &warnings;
  const auto answer = [&](const std::string& json, int status) {
    auto response = renderer.object(json, status);
    if (response) add_warnings(*response, warnings);
    return response;
  };
  auto body = apply_body(request, target);
  if (!body) return Refused(std::move(body).error());
  const auto edit = [&](const Value& old) {
    return apply_to(&old, *body, target, options, context.clock.now());
  };
  auto stored = update_object(context, target, options, Method::Patch, edit);
  const bool absent = !stored && stored.error().code == 404 && target.subresource.empty();
  if (!absent) {
    if (!stored) return Refused(std::move(stored).error());
    return answer(*stored, 200);
  }
  const Value* uid = body->at_path({"metadata", "uid"});
  if (uid != nullptr && !uid->as_string().empty()) {
    return conflict(*target.kind, target.name,
                    "uid mismatch: the provided object specified uid " + uid->as_string() +
                        ", and no existing object was found");
  }
  auto created = apply_to(nullptr, *body, target, options, context.clock.now());
  if (!created) return Refused(std::move(created).error());
  if (auto refusal = check_names(created->object, target)) return *std::move(refusal);
  created->object["metadata"].erase("resourceVersion");  // of no object that is there
  auto made = create_object(context, target, std::move(created->object), options, Tracking::Done);
  if (!made && made.error().reason == "AlreadyExists") {
    // Somebody else was faster: then it is an update after all.
    made = update_object(context, target, options, Method::Patch, edit);
  }
  if (!made) return Refused(std::move(made).error());
  return answer(*made, 201);
}

}  // namespace

Answer<Response> patch_object(Context& context, const Request& request, const Target& target) {
  auto renderer = renderer_for(request, *target.kind, context.clock.now());
  if (!renderer) return Refused(std::move(renderer).error());
  auto what = patch_kind(request, *target.kind);
  if (!what) return Refused(std::move(what).error());
  auto options =
      write_options(request, *what == PatchKind::Apply ? Writing::Apply : Writing::Patch);
  if (!options) return Refused(std::move(options).error());
  if (*what == PatchKind::Apply) {
    return serve_apply(context, request, target, *renderer, *options);
  }
  std::vector<std::string> warnings;
  options->warnings = &warnings;
  Patch patch(request, *target.kind, *what, options->validation);
  const auto edit = [&patch](const Value& old) { return patch(old); };
  auto stored = update_object(context, target, *options, Method::Patch, edit);
  if (!stored) {
    stored.error().warnings = patch.warnings;
    return Refused(std::move(stored).error());
  }
  auto response = renderer->object(*stored, 200);
  if (response) add_warnings(*response, patch.warnings);
  if (response) add_warnings(*response, warnings);
  return response;
}

}  // namespace millrace::apiserver
