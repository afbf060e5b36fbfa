/// Which form of an answer the client accepts.
#pragma once

#include <initializer_list>
#include <optional>
#include <string_view>

#include "local/apiserver/api.h"
#include "local/apiserver/refusal.h"

namespace millrace::apiserver {

enum class Format { Json, Yaml };
/// What stands for the object itself.
enum class View { Object, Table, Partial, PartialList };

struct Output {
  Format format = Format::Json;
  View view = View::Object;
  bool pretty = false;
};

/// By Accept and the query parameter `pretty`. Refuses with 406.
Answer<Output> negotiate(const Request& request, const schema::Kind& kind);
/// Whether Accept asks for the aggregated form of discovery first.
bool wants_aggregated_discovery(std::string_view accept);
/// The one of `types`, the default first, that Accept asks for; nothing when it takes none of them.
std::optional<std::string_view> choose_type(std::string_view accept,
                                            std::initializer_list<std::string_view> types);
/// A query parameter of type bool, as Kubernetes reads them: any text but "false" and "0" is true.
bool query_flag(const Request& request, std::string_view name);

}  // namespace millrace::apiserver
