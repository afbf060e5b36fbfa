/// Objects as JSON text, in the form that the storage keeps and answers are made of.
///
/// The text of a stored object begins with kind, apiVersion and metadata, and metadata.
/// resourceVersion stands before all of metadata that may nest: so lists and watches are made of
/// stored texts without parsing them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "kubeclient/codec/value.h"
#include "local/schema/kinds.h"

namespace millrace::apiserver {

/// A text with a gap for the resourceVersion.
struct Wire {
  std::string head;  ///< up to and with `"resourceVersion":"`
  std::string tail;
  std::string with(std::uint64_t version) const;
};

/// `object` has kind, apiVersion and metadata; metadata.resourceVersion is left out.
Wire to_wire(const codec::Value& object);
/// The stored text with another resourceVersion.
std::string with_version(std::string_view json, std::uint64_t version);
/// The stored text for an answer without a resourceVersion (dry run of a create).
std::string without_version(const codec::Value& object);
/// `{"kind":"Pod","apiVersion":"v1",`: how the stored text of each object of `kind` begins.
std::string text_prefix(const schema::Kind& kind);
/// Parse a stored text. A text of ours that does not parse is a bug.
codec::Value parse_stored(std::string_view json);

}  // namespace millrace::apiserver
