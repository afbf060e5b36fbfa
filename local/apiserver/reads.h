/// GET: one object, or a list.
#pragma once

#include "local/apiserver/context.h"
#include "local/apiserver/render.h"
#include "local/apiserver/request_options.h"
#include "local/apiserver/request_target.h"

namespace millrace::apiserver {

/// The stored object of `target`. Refuses with 404.
Answer<storage::RecordRef> find_record(const Context& context, const Target& target);
/// The storage's key of what `target` points at.
storage::Key key_of(const Target& target);

Answer<Response> get_object(const Context& context, const Request& request, const Target& target);
Answer<Response> list_objects(const Context& context, const Request& request, const Target& target);

/// Some records that a selector lets through, and how to go on.
struct Selection {
  std::vector<storage::RecordRef> records;
  std::uint64_t version = 0;
  bool more = false;
  std::size_t remaining = 0;
};
/// From `after` (by namespace and name; null: the start) on, as of `version` (0: now).
Answer<Selection> select(const Context& context, const Target& target, const Selector& selector,
                         const storage::Key* after, std::size_t limit, std::uint64_t version);

}  // namespace millrace::apiserver
