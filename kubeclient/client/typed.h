/// Typed verbs: the text verbs of client.h with described types.
///
/// Decoded objects are trimmed and must not be written back whole; bodies are built from the fields
/// we own (guide, section 2.6). Hence create, apply and patch take JSON text or a Value's dump.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kubeclient/api/meta.h"
#include "kubeclient/client/client.h"
#include "kubeclient/codec/json_reader.h"
#include "kubeclient/codec/value.h"

namespace millrace::client {

/// An item of a list that could not be decoded; it does not stop the others.
struct BrokenItem {
  ObjectKey key;  ///< as far as it can be told
  std::string message;
  bool operator==(const BrokenItem&) const = default;
};

/// One page, or a whole list.
template <class T>
struct Listed {
  std::vector<T> items;
  std::string resource_version;
  std::string continue_token;  ///< empty: this was the last page
  std::vector<BrokenItem> broken;
};

/// A list as it stands on the wire: for lists whose items all decode.
template <class T>
struct ListPage {
  api::ListMeta metadata;
  std::vector<T> items;

  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("metadata", self.metadata);
    v.field("items", self.items);
  }
};

namespace detail {

/// The list taken apart for the slow way: its head, and each item as text.
struct LooseList {
  api::ListMeta metadata;
  std::vector<std::pair<ObjectKey, std::string>> items;
};
/// Errors: Malformed (not a list at all).
Result<LooseList> split_list(std::string_view json);

}  // namespace detail

/// Decode a list's text; falls back to item by item when one is broken. Errors: Malformed (not a
/// list at all).
template <class T>
Result<Listed<T>> decode_list(std::string_view json) {
  Listed<T> out;
  auto quick = codec::decode<ListPage<T>>(json);
  if (quick.ok()) {
    out.items = std::move(quick->items);
    out.resource_version = std::move(quick->metadata.resource_version);
    out.continue_token = std::move(quick->metadata.continue_token);
    return out;
  }
  MR_ASSIGN(const detail::LooseList loose, detail::split_list(json));
  out.resource_version = loose.metadata.resource_version;
  out.continue_token = loose.metadata.continue_token;
  for (const auto& [key, text] : loose.items) {
    auto item = codec::decode<T>(text);
    if (item.ok()) {
      out.items.push_back(*std::move(item));
    } else {
      out.broken.push_back({key, item.error().message});
    }
  }
  return out;
}

template <class T>
Result<T> get(Reader& reader, const ObjectKey& key, const CallOptions& options = {}) {
  MR_ASSIGN(const std::string text, reader.get_text(T::kResource, key, options));
  return codec::decode<T>(text);
}

/// One page (`list.limit`), or all at once.
template <class T>
Result<Listed<T>> list(Reader& reader, const std::string& ns, const ListOptions& list_options = {},
                       const CallOptions& options = {}) {
  MR_ASSIGN(const std::string text, reader.list_text(T::kResource, ns, list_options, options));
  return decode_list<T>(text);
}

/// All pages of `page_size`, one after another. Errors: as list; Expired when a page came too late,
/// then start over.
template <class T>
Result<Listed<T>> list_all(Reader& reader, const std::string& ns, int page_size,
                           ListOptions list_options = {}, const CallOptions& options = {}) {
  list_options.limit = page_size;
  Listed<T> all;
  while (true) {
    MR_ASSIGN(Listed<T> page, list<T>(reader, ns, list_options, options));
    all.items.insert(all.items.end(), std::make_move_iterator(page.items.begin()),
                     std::make_move_iterator(page.items.end()));
    all.broken.insert(all.broken.end(), page.broken.begin(), page.broken.end());
    all.resource_version = std::move(page.resource_version);
    if (page.continue_token.empty()) return all;
    list_options.continue_token = std::move(page.continue_token);
    list_options.resource_version.clear();  // the token holds it
    list_options.resource_version_match.clear();
  }
}

template <class T>
Result<T> create(Writer& writer, const std::string& ns, std::string_view body,
                 const CallOptions& options = {}) {
  MR_ASSIGN(const std::string text, writer.create_text(T::kResource, ns, body, options));
  return codec::decode<T>(text);
}

/// `subresource` is "" or "status".
template <class T>
Result<T> replace(Writer& writer, const ObjectKey& key, std::string_view body,
                  const std::string& subresource = {}, const CallOptions& options = {}) {
  MR_ASSIGN(const std::string text,
            writer.replace_text(T::kResource, key, body, subresource, options));
  return codec::decode<T>(text);
}

template <class T>
Result<T> patch(Writer& writer, const ObjectKey& key, PatchType type, std::string_view body,
                const PatchOptions& patch_options = {}, const CallOptions& options = {}) {
  MR_ASSIGN(const std::string text,
            writer.patch_text(T::kResource, key, type, body, patch_options, options));
  return codec::decode<T>(text);
}

/// Delete, without looking at the answer.
template <class T>
Result<void> remove(Writer& writer, const ObjectKey& key, const DeleteOptions& del = {},
                    const CallOptions& options = {}) {
  MR_TRY(writer.delete_text(T::kResource, key, del, options));
  return {};
}

}  // namespace millrace::client
