/// Which form of an answer the client accepts.
#pragma once

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
/// A query parameter of type bool, as Kubernetes reads them: any text but "false" and "0" is true.
bool query_flag(const Request& request, std::string_view name);

}  // namespace millrace::apiserver
