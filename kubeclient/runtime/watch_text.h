/// The texts of lists and watches: what can be told of them without knowing the kind.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kubeclient/api/meta.h"
#include "kubeclient/base/object_key.h"
#include "kubeclient/base/result.h"

namespace millrace::runtime {

/// The `type` of a line of a watch.
enum class WatchEventType { Added, Modified, Deleted, Bookmark, Error, Unknown };

/// The type of the event in `line`. Unknown for new types. Errors: Malformed when the line is not
/// JSON or has no type.
Result<WatchEventType> event_type(std::string_view line);

/// The `object` of a watch line, read straight into its type; the rest of the line is skipped.
template <class T>
struct WatchObject {
  T object;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("object", self.object);
  }
};

/// A page without its items.
struct ListHead {
  api::ListMeta metadata;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("metadata", self.metadata);
  }
};

/// What is needed of an object that cannot be read as its kind.
struct ObjectHead {
  struct Meta {
    std::string name;
    std::string ns;
    std::string resource_version;
    std::map<std::string, std::string> annotations;
    template <class V, class Self>
    static void describe(V& v, Self& self) {
      v.field("name", self.name);
      v.field("namespace", self.ns);
      v.field("resourceVersion", self.resource_version);
      v.field("annotations", self.annotations);
    }
  };
  Meta metadata;
  ObjectKey key() const { return {metadata.ns, metadata.name}; }
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("metadata", self.metadata);
  }
};

/// The head of the object in a watch line; empty parts where they cannot be read.
/// Errors: Malformed when the line is not JSON at all.
Result<ObjectHead> read_head(std::string_view line);

/// A bookmark: how far the watch is, and whether it ends the initial objects.
struct BookmarkHead {
  std::string version;
  bool initial_end = false;
};
/// Errors: Malformed.
Result<BookmarkHead> read_bookmark(std::string_view line);

/// The error that an ERROR event carries; a Status that cannot be read is Malformed.
Error read_error_event(std::string_view line);

/// The elements of the top-level array `items`, as texts. Looks at brackets and strings only, so
/// one broken element leaves the others whole. Errors: Malformed when there is no such array or the
/// text ends inside it.
Result<std::vector<std::string_view>> split_items(std::string_view page);

}  // namespace millrace::runtime
