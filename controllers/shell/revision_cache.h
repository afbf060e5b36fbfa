/// Frozen pipelines by name, so that thousands of runs share one decoded copy.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "controllers/logic/revision.h"
#include "kubeclient/base/guarded.h"

namespace millrace::shell {

using RevisionRef = std::shared_ptr<const logic::Revision>;

/// Remembers what freezing and decoding gave. Safe from any thread.
class RevisionCache {
 public:
  /// logic::freeze, remembered for as long as the Pipeline's resourceVersion stays.
  RevisionRef current(const crds::Pipeline& pipeline);
  /// logic::read_revision, remembered by UID. Errors: Malformed.
  Result<RevisionRef> read(const api::ControllerRevision& object);
  /// Drop what belongs to an object that is gone.
  void forget(const std::string& uid);

 private:
  struct Entry {
    std::string resource_version;
    RevisionRef revision;
  };
  Guarded<std::map<std::string, Entry>> entries_;  ///< by UID of Pipeline or ControllerRevision
};

}  // namespace millrace::shell
