#include "controllers/shell/revision_cache.h"

namespace millrace::shell {

RevisionRef RevisionCache::current(const crds::Pipeline& pipeline) {
  {
    const auto entries = entries_.lock();
    const auto it = entries->find(pipeline.metadata.uid);
    if (it != entries->end() && it->second.resource_version == pipeline.metadata.resource_version) {
      return it->second.revision;
    }
  }
  auto revision = std::make_shared<const logic::Revision>(logic::freeze(pipeline));
  auto entries = entries_.lock();
  Entry& entry = (*entries)[pipeline.metadata.uid];
  // A status write of the Pipeline freezes to the same content: keep sharing the old copy.
  if (entry.revision && *entry.revision == *revision) revision = entry.revision;
  entry = {pipeline.metadata.resource_version, revision};
  return revision;
}

Result<RevisionRef> RevisionCache::read(const api::ControllerRevision& object) {
  {
    const auto entries = entries_.lock();
    const auto it = entries->find(object.metadata.uid);
    if (it != entries->end())
      return it->second.revision;  // data of a ControllerRevision is immutable
  }
  MR_ASSIGN(logic::Revision revision, logic::read_revision(object));
  auto shared = std::make_shared<const logic::Revision>(std::move(revision));
  (*entries_.lock())[object.metadata.uid] = {object.metadata.resource_version, shared};
  return shared;
}

void RevisionCache::forget(const std::string& uid) { entries_.lock()->erase(uid); }

}  // namespace millrace::shell
