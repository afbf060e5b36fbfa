/// The parts of metadata that housekeeping looks at, read without decoding the object.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace millrace::apiserver {

struct Owner {
  std::string api_version;
  std::string kind;
  std::string name;
  std::string uid;
  bool blocks = false;  ///< blockOwnerDeletion
};

struct Ownership {
  std::vector<Owner> owners;
  std::vector<std::string> finalizers;
  bool deleting = false;  ///< has a deletionTimestamp

  bool has_finalizer(std::string_view name) const;
};

/// Of a stored object's text. Total: what is not there is empty.
Ownership read_ownership(std::string_view json);

}  // namespace millrace::apiserver
