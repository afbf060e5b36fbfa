/// Who depends on whom: from the UID of an owner to its dependents.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "local/apiserver/ownership.h"
#include "local/storage/storage.h"

namespace millrace::apiserver {

/// A UID in 16 bytes.
struct UidKey {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  auto operator<=>(const UidKey&) const = default;
};
UidKey uid_key(std::string_view uid);

/// Objects that have owners. Not thread-safe.
class OwnerIndex {
 public:
  struct Dependent {
    storage::Key key;
    std::string uid;
  };

  /// Set the owners of an object; says whether they are others than before.
  bool set(const storage::Key& key, const std::string& uid, const std::vector<Owner>& owners);
  void erase(const std::string& uid);
  /// It does not name this owner any more.
  void drop_owner(const std::string& uid, const std::string& owner);
  std::vector<Dependent> dependents(const std::string& owner) const;
  /// One of them, if there are any.
  const Dependent* first_dependent(const std::string& owner) const;
  /// Whether one of them holds up the owner's deletion.
  bool is_blocked(const std::string& owner) const;
  /// UIDs of the owners of an object.
  std::vector<UidKey> owners(const std::string& uid) const;
  /// Objects with an owner that is not among `uids`.
  std::vector<Dependent> with_owner_outside(const std::set<UidKey>& uids) const;
  void clear();

 private:
  struct Link {
    UidKey owner;
    bool blocks = false;
    bool operator==(const Link&) const = default;
  };
  struct Node {
    Dependent dependent;
    std::vector<Link> links;
  };
  struct Hash {
    std::size_t operator()(const UidKey& key) const { return key.low; }
  };

  std::unordered_map<UidKey, Node, Hash> nodes_;
  std::set<std::pair<UidKey, UidKey>> by_owner_;  // (owner, dependent)
};

}  // namespace millrace::apiserver
