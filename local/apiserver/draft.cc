#include "local/apiserver/draft.h"

#include <utility>

#include "local/apiserver/attributes.h"

namespace millrace::apiserver {
namespace {

/// Source: etcd, --max-request-bytes.
constexpr std::size_t kMostBytes = 1536 * 1024;

}  // namespace

storage::Build ObjectDraft::build() const {
  return [this](std::uint64_t version) -> Result<storage::Draft> {
    return storage::Draft{uid, wire.with(version), attributes};
  };
}

Answer<ObjectDraft> make_draft(const codec::Value& object, const schema::Kind& kind) {
  codec::Value converted;
  const codec::Value* stored = &object;
  if (kind.to_stored != nullptr) {
    converted = kind.to_stored(object);
    stored = &converted;
  }
  ObjectDraft draft;
  if (const codec::Value* uid = stored->at_path({"metadata", "uid"})) draft.uid = uid->as_string();
  draft.wire = to_wire(*stored);
  if (draft.wire.head.size() + draft.wire.tail.size() > kMostBytes) {
    return plain_error("etcdserver: request is too large");
  }
  draft.attributes = attributes_of(*stored, kind);
  return draft;
}

codec::Value read_stored(std::string_view json, const schema::Kind& kind) {
  codec::Value stored = parse_stored(json);
  return kind.from_stored == nullptr ? stored : kind.from_stored(stored);
}

}  // namespace millrace::apiserver
