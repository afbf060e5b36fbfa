/// The tables of `millrace get`. Pure.
#pragma once

#include <string>
#include <vector>

#include "crds/pipeline.h"
#include "crds/pipeline_run.h"
#include "operator/cli/text.h"

namespace millrace::cli {

struct GetOptions {
  bool wide = false;
  bool namespaces = false;  ///< a first column with them
  bool header = true;
  Look look = Look::Plain;
};

/// A row each; the empty string for none.
std::string table_of(const std::vector<crds::PipelineRun>& runs, Time now,
                     const GetOptions& options);
std::string table_of(const std::vector<crds::Pipeline>& pipelines, Time now,
                     const GetOptions& options);

}  // namespace millrace::cli
