/// labelSelector and fieldSelector.
/// Grammar and wording: Kubernetes 1.34, apimachinery/pkg/labels and pkg/fields.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "local/apiserver/refusal.h"
#include "local/schema/kinds.h"
#include "local/storage/storage.h"

namespace millrace::apiserver {

enum class SelectorOp { In, NotIn, Exists, Absent, Greater, Less };

struct Requirement {
  std::string key;
  SelectorOp op = SelectorOp::Exists;
  std::vector<std::string> values;  ///< sorted, unique; one number for Greater and Less
};

/// Both selectors of a request; all requirements must hold.
struct Selector {
  std::vector<Requirement> labels;
  std::vector<Requirement> fields;

  bool empty() const { return labels.empty() && fields.empty(); }
  bool matches(const storage::Attributes& attributes) const;
  /// The one name that metadata.name must equal, or empty.
  std::string_view exact_name() const;
  /// The same for metadata.namespace.
  std::string_view exact_namespace() const;
};

/// Read both texts (each may be empty). Refuses with 400: syntax, keys and values that no label can
/// have, fields that `kind` does not select by, texts of more than 64 KiB.
Answer<Selector> parse_selector(std::string_view labels, std::string_view fields,
                                const schema::Kind& kind);

}  // namespace millrace::apiserver
