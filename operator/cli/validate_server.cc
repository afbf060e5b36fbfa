#include "operator/cli/validate_server.h"

#include <ostream>

#include "crds/pipeline.h"
#include "crds/validate.h"
#include "kubeclient/codec/json_reader.h"
#include "kubeclient/codec/yaml.h"
#include "operator/cli/checks.h"
#include "operator/cli/text.h"

namespace millrace::cli {
namespace {

using codec::Value;

constexpr const char* kFieldManager = "millrace-validate";

/// The server's opinion of the objects of one file.
class Probe {
 public:
  Probe(std::string file, Cluster& cluster, const logic::Config& config, const Environment& env)
      : file_(std::move(file)), cluster_(cluster), config_(config), env_(env) {}

  void document(const codec::YamlDocument& document) {
    const Value& object = document.value;
    const std::string kind = text_at(object, {"kind"});
    if (kind == "List") {
      const Value* items = object.find("items");
      if (items == nullptr) return;
      for (const Value& item : items->items()) one(item, document);
    } else {
      one(object, document);
    }
  }
  bool good() const { return good_; }

 private:
  static std::string text_at(const Value& object, std::initializer_list<std::string_view> path) {
    const Value* value = object.at_path(path);
    return value == nullptr ? std::string() : value->as_string();
  }

  void one(Value object, const codec::YamlDocument& document) {
    const api::ApiResource* resource = our_resource(text_at(object, {"kind"}));
    if (resource == nullptr) return;
    std::string ns = text_at(object, {"metadata", "namespace"});
    if (ns.empty()) ns = cluster_.ns();
    object["metadata"]["namespace"] = ns;
    object.erase("status");
    const std::string name = text_at(object, {"metadata", "name"});
    const std::string what = std::string(resource->kind) + " " +
                             (name.empty() ? text_at(object, {"metadata", "generateName"}) : name);
    client::CallOptions call{.stop = cluster_.stop(), .dry_run = true};
    auto said = name.empty() ? cluster_.writer().create_text(*resource, ns, object.dump(), call)
                             : cluster_.writer().patch_text(
                                   *resource, {ns, name}, client::PatchType::Apply, object.dump(),
                                   {.field_manager = kFieldManager, .force = true}, call);
    judge(what, document, said.ok() ? Result<>() : Result<>(fail(said.error())));
    if (!said.ok() || !env_.try_pipeline || *resource != crds::Pipeline::kResource) return;
    const auto pipeline = codec::decode<crds::Pipeline>(*said);
    if (pipeline.ok()) attempt(*pipeline, document);
  }

  /// What a run of `pipeline` would create.
  void attempt(const crds::Pipeline& pipeline, const codec::YamlDocument& document) {
    const auto report = env_.try_pipeline(cluster_, pipeline, config_);
    if (!report.ok()) {
      complain(crds::Severity::Warning, document, "metadata.name", "",
               "what runs create could not be checked: " + report.error().message);
      return;
    }
    for (const std::string& what : report->accepted) {
      env_.out << file_ << ": " << pipeline.metadata.name << ": " << what << ": ok\n";
    }
    for (const logic::TrialFinding& finding : report->findings) {
      using Kind = logic::TrialFinding::Kind;
      const bool refused = finding.kind == Kind::Refused || finding.kind == Kind::Quota;
      complain(refused ? crds::Severity::Error : crds::Severity::Warning, document, finding.path,
               finding.path,
               finding.what + (refused ? ": refused: " : ": could not be checked: ") +
                   printable(finding.message));
    }
    if (report->left_out > 0) {
      complain(crds::Severity::Warning, document, "metadata.name", "",
               std::to_string(report->left_out) + " more templates were not tried");
    }
  }

  /// A refusal is the file's fault; everything else is not known.
  void judge(const std::string& what, const codec::YamlDocument& document, const Result<>& said) {
    if (said.ok()) return;
    const Error& error = said.error();
    // An admission webhook with side effects cannot be dry-run; Kubernetes answers 400 then.
    const bool no_dry_run = error.message.find("does not support dry run") != std::string::npos;
    const bool refused = !no_dry_run && (error.code == Code::Invalid ||
                                         error.code == Code::Conflict || is_policy(error));
    complain(refused ? crds::Severity::Error : crds::Severity::Warning, document, "metadata.name",
             "",
             what + (refused ? ": the server refuses it: " : ": could not be checked: ") +
                 error.message);
  }

  void complain(crds::Severity severity, const codec::YamlDocument& document,
                const std::string& place, const std::string& field, const std::string& message) {
    const auto position = document.position_of(place.empty() ? "metadata.name" : place);
    env_.err << crds::to_string(
                    crds::Finding{file_, position.line, position.column, field, severity, message})
             << "\n";
    good_ = good_ && severity != crds::Severity::Error;
  }

  /// 403 says both "you may not" and "policy, quota or pod security forbid this".
  static bool is_policy(const Error& error) {
    if (error.http_status != 403) return false;
    return error.message.find(" cannot ") == std::string::npos;
  }

  const std::string file_;
  Cluster& cluster_;
  const logic::Config& config_;
  const Environment& env_;
  bool good_ = true;
};

}  // namespace

bool validate_on_server(const std::string& text, const std::string& file, Cluster& cluster,
                        const logic::Config& config, const Environment& environment) {
  const auto documents = codec::parse_yaml_documents(text, file);
  if (!documents.ok()) return false;  // the check before has said so
  Probe probe(file, cluster, config, environment);
  for (const codec::YamlDocument& document : *documents) probe.document(document);
  return probe.good();
}

}  // namespace millrace::cli
