/// From an object to what the storage keeps of it.
#pragma once

#include <string>

#include "local/apiserver/refusal.h"
#include "local/apiserver/wire.h"
#include "local/storage/storage.h"

namespace millrace::apiserver {

/// All of a record but its version.
struct ObjectDraft {
  std::string uid;
  Wire wire;
  storage::Attributes attributes;

  /// For the storage; refers to this.
  storage::Build build() const;
};

/// `object` in the shape of `kind`, which may not be the one it is stored in. Refuses with 500 what
/// etcd would not take.
Answer<ObjectDraft> make_draft(const codec::Value& object, const schema::Kind& kind);
/// The object in the shape of `kind`, from its stored text.
codec::Value read_stored(std::string_view json, const schema::Kind& kind);

}  // namespace millrace::apiserver
