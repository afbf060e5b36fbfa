/// Manifests of people, checked without a cluster by the rules of the API server.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "crds/pipeline.h"
#include "crds/pipeline_run.h"
#include "kubeclient/codec/json_reader.h"

namespace millrace::crds {

/// Error: the API server or the operator would refuse it. Warning: allowed, but probably not meant.
/// Note: not looked at, and why.
enum class Severity { Error, Warning, Note };
std::string_view to_string(Severity severity);

/// One thing to say about a file.
struct Finding {
  std::string file;
  int line = 0;      ///< from 1; 0 when it is about the whole file
  int column = 0;    ///< from 1; 0 when it is about the whole file
  std::string path;  ///< field path, may be empty
  Severity severity = Severity::Error;
  std::string message;
  bool operator==(const Finding&) const = default;
};
/// "file:line:column: error: path: message", as editors and compilers understand it.
std::string to_string(const Finding& finding);

/// Checks beyond the shape, e.g. whether the cron expression can be read. Called for objects
/// without errors of shape; their complaints become errors at the right lines.
struct DeeperChecks {
  std::function<std::vector<codec::FieldError>(const Pipeline&)> pipeline;
  std::function<std::vector<codec::FieldError>(const PipelineRun&)> run;
};

/// What was found in a file, in its order, and what it holds.
struct Report {
  std::vector<Finding> findings;
  std::vector<Pipeline> pipelines;  ///< those without errors
  std::vector<PipelineRun> runs;    ///< those without errors
  bool ok() const;                  ///< no errors
};

/// Check all documents of a YAML or JSON file, and the items of lists. `file` is the name to print.
Report check_manifest(std::string_view text, std::string_view file,
                      const DeeperChecks& deeper = {});
/// Only the findings.
std::vector<Finding> validate_manifest(std::string_view text, std::string_view file,
                                       const DeeperChecks& deeper = {});

/// All complaints about an object of ours, e.g. a body sent to an API server; `old_object` is null
/// for a new one. `object` must have a kind of ours.
std::vector<codec::FieldError> check_object(const codec::Value& object,
                                            const codec::Value* old_object = nullptr);

}  // namespace millrace::crds
