#include "operator/cli/import_file.h"

#include <algorithm>
#include <set>

#include "crds/pipeline.h"
#include "kubeclient/codec/yaml.h"

namespace millrace::cli {
namespace {

using codec::Value;
using crds::Severity;

constexpr std::string_view kBelt = "conveyor-belt.simonemms.com/v1alpha1";
constexpr std::string_view kOldOperator = "controller.ljchen.net/v1";
constexpr const char* kOurs = "millrace.dev/v1";

std::string text_at(const Value& value, std::initializer_list<std::string_view> path) {
  const Value* found = value.at_path(path);
  return found == nullptr ? std::string() : found->as_string();
}

std::string at(const std::string& list, std::size_t index) {
  return list + "[" + std::to_string(index) + "]";
}

/// Collects what is to be said about one document.
class Remarks {
 public:
  Remarks(const codec::YamlDocument& document, const std::string& file,
          std::vector<crds::Finding>& findings)
      : document_(document), file_(file), findings_(findings) {}

  void note(const std::string& path, const std::string& message) {
    add(path, Severity::Note, message);
  }
  void error(const std::string& path, const std::string& message) {
    add(path, Severity::Error, message);
  }

 private:
  void add(const std::string& path, Severity severity, const std::string& message) {
    const auto position = document_.position_of(path);
    findings_.push_back({file_, position.line, position.column, path, severity, message});
  }

  const codec::YamlDocument& document_;
  const std::string& file_;
  std::vector<crds::Finding>& findings_;
};

bool has_template(const Value& value) {
  if (value.is_string()) return value.as_string().find("{{") != std::string::npos;
  if (value.is_array()) {
    return std::any_of(value.items().begin(), value.items().end(), has_template);
  }
  return std::any_of(value.members().begin(), value.members().end(), [](const auto& member) {
    return member.first.find("{{") != std::string::npos || has_template(member.second);
  });
}

bool is_local(const std::string& url) {
  for (const char* host : {"://localhost", "://127.", "://[::1]", "://169.254."}) {
    if (url.find(host) != std::string::npos) return true;
  }
  return false;
}

/// conveyor-belt: CB-1 and what changes in meaning.
class Belt {
 public:
  Belt(const Value& object, Remarks& remarks) : object_(object), remarks_(remarks) {}

  void check() {
    const Value* spec = object_.find("spec");
    const Value none;
    const Value& s = spec == nullptr ? none : *spec;
    stages(s.find("stages"));
    if (s.find("port") != nullptr) {
      remarks_.note("spec.port",
                    "kept, but not used: the operator's gateway has one port for all "
                    "pipelines");
    }
    if (const Value* jobs = s.find("jobs")) {
      for (std::size_t i = 0; i < jobs->items().size(); ++i) {
        const std::string path = at("spec.jobs", i);
        stage_of(jobs->items()[i], path);
        job(jobs->items()[i], path);
      }
    }
    if (const Value* error = s.find("error")) job(*error, "spec.error");
    triggers(s.find("triggers"));
  }

 private:
  void stages(const Value* stages) {
    if (stages == nullptr || stages->items().empty()) {
      remarks_.error("spec.stages", "no jobs configured: spec.stages is empty");
      return;
    }
    for (const Value& stage : stages->items()) stages_.insert(stage.as_string());
  }

  void stage_of(const Value& job, const std::string& path) {
    const std::string stage = text_at(job, {"stage"});
    if (stages_.empty() || stages_.contains(stage)) return;
    remarks_.error(path + ".stage", "unknown stage: " + stage);
  }

  void job(const Value& job, const std::string& path) {
    const Value* http = job.at_path({"action", "http"});
    if (http == nullptr) return;  // the check of our own kinds complains
    const std::string place = path + ".action.http";
    const Value* data = http->find("data");
    if (data == nullptr) {
      remarks_.note(place, "no data: no body is sent (conveyor-belt sent the four bytes null)");
    } else if (has_template(*data)) {
      remarks_.note(place + ".data",
                    "each string is rendered by itself and written as JSON: no HTML escapes (&amp; "
                    "and the like), and quotes, newlines and backslashes arrive as they are; "
                    "values stay strings");
    }
    if (is_local(text_at(*http, {"url"}))) {
      remarks_.note(place + ".url",
                    "the operator refuses loopback and link-local targets unless its configuration "
                    "allows them");
    }
  }

  void triggers(const Value* triggers) {
    if (triggers == nullptr || triggers->items().empty()) {
      remarks_.error("spec.triggers", "no triggers configured: spec.triggers is empty");
      return;
    }
    for (std::size_t i = 0; i < triggers->items().size(); ++i) {
      const std::string type = text_at(triggers->items()[i], {"type"});
      const std::string path = at("spec.triggers", i);
      if (type != "webhook") {
        remarks_.error(path + ".type", "unknown trigger: " + type);
      } else if (i == 0) {
        remarks_.note(path,
                      "answers 202 once the run is stored (not before); the same delivery id "
                      "within a day starts no second run; X-Callback-URL is posted to "
                      "targets that the operator allows only");
      }
    }
  }

  const Value& object_;
  Remarks& remarks_;
  std::set<std::string> stages_;
};

/// pipeline-operator: what changes in meaning.
class OldOperator {
 public:
  OldOperator(const Value& object, Remarks& remarks) : object_(object), remarks_(remarks) {}

  void check(const std::string& kind) {
    if (object_.at_path({"metadata", "finalizers"}) != nullptr) {
      remarks_.note("metadata.finalizers",
                    "not needed: children go with their owner; it is removed on deletion");
    }
    if (object_.find("status") != nullptr) {
      remarks_.note("status", "ignored: a status is the operator's to write");
    }
    if (kind == "PipelineRun") {
      run();
    } else {
      pipeline();
    }
  }

 private:
  void run() {
    const std::string timeout = text_at(object_, {"spec", "timeout"});
    if (timeout == "0s" || timeout == "0") {
      remarks_.note("spec.timeout", "no limit (the pipeline-operator timed out at once)");
    }
    if (object_.at_path({"spec", "maxRetryCount"}) != nullptr) {
      remarks_.note("spec.maxRetryCount",
                    "a retry resumes at the first step that has not exited 0, after a timeout with "
                    "all steps; the cause of each attempt is kept");
    }
  }

  void pipeline() {
    const bool batch = object_.at_path({"spec", "batchJob"}) != nullptr;
    const bool stream = object_.at_path({"spec", "streamJob"}) != nullptr;
    if (batch) batch_job();
    if (stream) {
      remarks_.note("spec.streamJob",
                    "a run is Unknown until its Deployments are available, stays under way while "
                    "they run, and restores them; its Services get the ports of the containers");
    }
    const Value* strategy = object_.at_path({"spec", "strategy"});
    if (strategy == nullptr) return;
    const std::string cron = text_at(*strategy, {"cronExpression"});
    if (!cron.empty()) {
      remarks_.note("spec.strategy.cronExpression",
                    stream && !batch
                        ? "has no effect on a stream, as before"
                        : "read in UTC unless timeZone is set (was: the zone of the process); "
                          "edits take effect; each tick has one run on record");
    }
    if (!text_at(*strategy, {"expire"}).empty()) {
      remarks_.note("spec.strategy.expire",
                    "a run after it is Cancelled=True and Succeeded=False (Succeeded was unset)");
    }
  }

  void batch_job() {
    const std::string batch = "spec.batchJob";
    const Value& job = *object_.at_path({"spec", "batchJob"});
    remarks_.note(batch, "runs as a Job with one pod (was: a Knative Build)");
    if (const Value* input = job.find("input")) {
      for (const auto& [kind, settings] : input->members()) {
        adapter(batch + ".input." + kind, "input", kind);
      }
    }
    if (const Value* outputs = job.find("outputs")) {
      for (std::size_t i = 0; i < outputs->items().size(); ++i) {
        for (const auto& [kind, settings] : outputs->items()[i].members()) {
          if (kind == "name" || kind == "custom") continue;
          adapter(at(batch + ".outputs", i) + "." + kind, "output", kind);
        }
      }
    }
    if (job.find("resources") != nullptr) {
      remarks_.note(batch + ".resources",
                    "for steps that have none of their own (was: replaced a processor's own)");
    }
  }

  void adapter(const std::string& path, const std::string& side, std::string kind) {
    kind[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(kind[0])));
    remarks_.note(path, "its image is adapterImages." + side + kind +
                            " of the operator's configuration (was: built in); arguments are "
                            "sorted by key");
  }

  const Value& object_;
  Remarks& remarks_;
};

/// Replace the value of `apiVersion` in `line`, with whatever quotes it has; what follows stays.
bool replace_version(std::string& line, std::string_view from) {
  const std::size_t start = line.find(from);
  if (start == std::string::npos) return false;
  line.replace(start, from.size(), kOurs);
  return true;
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::size_t size = end == std::string_view::npos ? text.size() : end + 1;
    lines.emplace_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return lines;
}

/// Check one document; whether its apiVersion is one that we convert.
bool examine(const codec::YamlDocument& document, Remarks& remarks) {
  const Value& object = document.value;
  const std::string version = text_at(object, {"apiVersion"});
  const std::string kind = text_at(object, {"kind"});
  if (version == kBelt) {
    if (kind != "Pipeline") {
      remarks.error("kind", "unknown kind: " + kind + "; expected Pipeline");
    } else {
      Belt(object, remarks).check();
    }
    return true;
  }
  if (version == kOldOperator) {
    if (kind != "Pipeline" && kind != "PipelineRun") {
      remarks.error("kind", "unknown kind: " + kind + "; expected Pipeline or PipelineRun");
    } else {
      OldOperator(object, remarks).check(kind);
    }
    return true;
  }
  if (version == kOurs) {
    remarks.note("apiVersion", "is ours already; kept as it is");
  } else if (version.starts_with("conveyor-belt.") || version.starts_with("controller.ljchen") ||
             version.empty()) {
    remarks.error("apiVersion", "unknown api version: " + version + "; expected " +
                                    std::string(kBelt) + " or " + std::string(kOldOperator));
  } else if (kind == "Pipeline" || kind == "PipelineRun") {
    remarks.error("apiVersion", "unknown api version: " + version + "; expected " +
                                    std::string(kBelt) + " or " + std::string(kOldOperator));
  } else {
    remarks.note("kind", kind + " of " + version + " is kept as it is");
  }
  return false;
}

}  // namespace

bool Imported::ok() const {
  return std::none_of(findings.begin(), findings.end(), [](const crds::Finding& finding) {
    return finding.severity == Severity::Error;
  });
}

Result<Imported> import_text(std::string_view text, const std::string& file,
                             const crds::DeeperChecks& deeper) {
  MR_ASSIGN(const auto documents, codec::parse_yaml_documents(text, file));
  Imported out;
  if (documents.empty()) {
    return fail(Code::Invalid, file + ": the file is empty; expected a Pipeline");
  }
  std::vector<std::string> lines = lines_of(text);
  for (const codec::YamlDocument& document : documents) {
    Remarks remarks(document, file, out.findings);
    if (!examine(document, remarks)) continue;
    const std::string version = text_at(document.value, {"apiVersion"});
    const auto line = static_cast<std::size_t>(document.line_of("apiVersion"));
    // The key's line, or the one after it where the value stands on its own.
    bool done = line >= 1 && line <= lines.size() && replace_version(lines[line - 1], version);
    if (!done && line < lines.size()) done = replace_version(lines[line], version);
    if (!done) {
      remarks.error("apiVersion",
                    "cannot be rewritten as it stands; write it on a line of its "
                    "own: apiVersion: " +
                        version);
    }
  }
  for (const std::string& line : lines) out.text += line;
  if (!out.ok()) return out;
  // Whatever else our own rules do not like, at the same lines.
  for (crds::Finding& finding : crds::check_manifest(out.text, file, deeper).findings) {
    if (finding.severity != Severity::Note) out.findings.push_back(std::move(finding));
  }
  std::stable_sort(out.findings.begin(), out.findings.end(),
                   [](const crds::Finding& a, const crds::Finding& b) { return a.line < b.line; });
  return out;
}

}  // namespace millrace::cli
