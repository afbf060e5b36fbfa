/// The query parameters of the verbs, checked.
/// Source: Kubernetes 1.34, meta/v1 ListOptions, CreateOptions, PatchOptions, DeleteOptions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "local/apiserver/api.h"
#include "local/apiserver/refusal.h"
#include "local/apiserver/selectors.h"
#include "local/apiserver/strategy.h"

namespace millrace::apiserver {

/// What to do about unknown and repeated fields.
enum class FieldValidation { Ignore, Warn, Strict };

struct WriteOptions {
  bool dry_run = false;
  std::string manager;  ///< never empty
  FieldValidation validation = FieldValidation::Warn;
  bool force = false;  ///< apply only
  /// Where it goes what the write warns of, anew with each attempt; may be null.
  std::vector<std::string>* warnings = nullptr;
};

enum class Writing { Create, Update, Patch, Apply };
Answer<WriteOptions> write_options(const Request& request, Writing writing);

struct ListOptions {
  Selector selector;
  std::int64_t limit = 0;  ///< 0: all
  std::string continue_token;
  std::optional<std::uint64_t> version;  ///< resourceVersion, unless empty
  bool exact = false;                    ///< resourceVersionMatch=Exact, said or implied
  // Of watches.
  std::optional<std::int64_t> timeout_seconds;
  bool bookmarks = false;
  std::optional<bool> send_initial_events;
};

enum class Reading { List, Watch };
Answer<ListOptions> list_options(const Request& request, const schema::Kind& kind, Reading reading);

struct DeleteOptions {
  Deletion deletion;
  bool dry_run = false;
  std::string uid;             ///< precondition, unless empty
  std::string version;         ///< precondition, unless empty
  bool orphan_denied = false;  ///< the old orphanDependents=false was given
};

/// From the query and the body.
Answer<DeleteOptions> delete_options(const Request& request);

/// A decimal number, as the real server reads the parameter; refuses with 400.
Answer<std::optional<std::int64_t>> query_number(const Request& request, std::string_view name);

}  // namespace millrace::apiserver
