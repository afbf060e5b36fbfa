/// The file: one SQLite table of objects, written row by row, each write a transaction.
///
/// Every row carries checksums of ours, as SQLite has none: what a damaged disk gives back is an
/// error, not an object.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "local/storage/storage.h"

namespace millrace::storage {

/// All of an object but its JSON.
struct StoredHead {
  std::int64_t row = 0;
  Key key;
  std::string uid;
  std::uint64_t version = 0;
  Attributes attributes;
};

struct StoredBody {
  std::uint64_t version = 0;  ///< 0: no such row
  std::string json;
};

/// One writer at a time; `read` from any thread, without waiting for the writer.
class Database {
 public:
  /// Open or create `path`, and give `load` every object, in no order; it says false to one that
  /// cannot be. Errors as `open_storage`.
  static Result<std::unique_ptr<Database>> open(const std::string& path,
                                                const std::function<bool(StoredHead)>& load);
  virtual ~Database() = default;

  /// The latest version that is on disk, deletions included; at least 1.
  virtual std::uint64_t version() const = 0;
  /// Add a row numbered by the record's version.
  virtual Result<void> insert(const Record& record) = 0;
  virtual Result<void> update(std::int64_t row, const Record& record) = 0;
  /// Delete a row; `version` is the deletion's.
  virtual Result<void> remove(std::int64_t row, std::uint64_t version) = 0;
  virtual Result<StoredBody> read(std::int64_t row) const = 0;
};

}  // namespace millrace::storage
