/// metav1.Table: objects as the rows that `kubectl get` prints. A bookmark of a watch is a table
/// with one row too, of an object that has only what the bookmark has.
/// Columns and texts: Kubernetes 1.34, pkg/printers/internalversion, measured on a real server.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "kubeclient/base/clock.h"
#include "kubeclient/codec/value.h"
#include "local/schema/kinds.h"

namespace millrace::apiserver {

/// The query parameter includeObject: what each row carries besides its cells.
enum class IncludeObject { Metadata, Object, None };

/// "Metadata", "Object", "None", or empty for the default (Metadata); nothing for other texts.
std::optional<IncludeObject> parse_include_object(std::string_view text);

/// One row: {"cells": [...], "object": ...}, cells in the order of `kind.columns`. `object` is of
/// `kind`; ages are counted up to `now`.
codec::Value table_row(const codec::Value& object, const schema::Kind& kind, IncludeObject include,
                       Time now);

enum class WithColumns { No, Yes };

/// The table: `list_metadata` is the list's metadata (resourceVersion, continue,
/// remainingItemCount), or the resourceVersion of the one object it is about. Of a watch, each
/// event's object is such a table with one row, the columns only in the first.
codec::Value make_table(const schema::Kind& kind, codec::Value list_metadata,
                        std::vector<codec::Value> rows, WithColumns columns);

}  // namespace millrace::apiserver
