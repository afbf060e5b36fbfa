#include "kubeclient/client/typed.h"

namespace millrace::client::detail {

Result<LooseList> split_list(std::string_view json) {
  MR_ASSIGN(const codec::Value document, codec::Value::parse(json));
  const codec::Value* items = document.find("items");
  if (!document.is_object() || (items != nullptr && !items->is_array() && !items->is_null())) {
    return fail(Code::Malformed, "items: not a list");
  }
  const auto text_at = [](const codec::Value& value, std::initializer_list<std::string_view> path) {
    const codec::Value* found = value.at_path(path);
    return found == nullptr ? std::string() : found->as_string();
  };
  LooseList list;
  list.metadata.resource_version = text_at(document, {"metadata", "resourceVersion"});
  list.metadata.continue_token = text_at(document, {"metadata", "continue"});
  if (items == nullptr || items->is_null()) return list;
  for (const codec::Value& item : items->items()) {
    list.items.emplace_back(
        ObjectKey{text_at(item, {"metadata", "namespace"}), text_at(item, {"metadata", "name"})},
        item.dump());
  }
  return list;
}

}  // namespace millrace::client::detail
