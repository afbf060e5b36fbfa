/// What `millrace local run` has to do for a set of manifests.
#pragma once

#include <string>
#include <vector>

#include "kubeclient/base/result.h"
#include "kubeclient/codec/value.h"
#include "local/schema/kinds.h"

namespace millrace::mode {

/// One file, read.
struct Manifest {
  std::string name;  ///< to print
  std::string text;
  bool operator==(const Manifest&) const = default;
};

/// One object of a file.
struct PlannedObject {
  const schema::Kind* kind = nullptr;  ///< never null
  std::string ns;                      ///< empty for cluster-wide kinds
  std::string name;                    ///< empty: the server makes one from generateName
  std::string place;                   ///< "file:line"
  codec::Value object;

  std::string what() const { return std::string(kind->resource.kind) + " \"" + name + "\""; }
};

struct RunPlan {
  std::vector<PlannedObject> apply;  ///< namespaces first, then as in the files
  std::vector<PlannedObject> runs;   ///< PipelineRuns to create; at least one
};

/// Read the files. Their runs are run, those of `pipeline` only unless that is empty; when they
/// hold none, one is made of their pipeline. `params` (object, or null) are put over those of the
/// runs. Errors: Invalid, as "file:line: what is wrong".
Result<RunPlan> plan_run(const std::vector<Manifest>& files, const std::string& pipeline,
                         const codec::Value& params = {});

}  // namespace millrace::mode
