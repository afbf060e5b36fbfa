#include "local/storage/database.h"

#include <sqlite3.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <string_view>

#include "kubeclient/base/hash.h"
#include "local/storage/attribute_text.h"
#include "local/storage/database_file.h"

namespace millrace::storage {
namespace {

// SQLite's default is 2 MiB a connection; rows are written once and read seldom. [KiB]
constexpr const char* kWriterCache = "PRAGMA cache_size=-512";
constexpr const char* kReaderCache = "PRAGMA cache_size=-128";
// Pages of 4 KiB in the write-ahead log before it is copied back; each time costs two fsync.
constexpr const char* kCheckpoint = "PRAGMA wal_autocheckpoint=2000";
constexpr const char* kLogSize = "PRAGMA journal_size_limit=16777216";
// Reading all pages takes about 1 ms per MiB; beyond this size the start would feel it. The
// checksums of rows are looked at in any case.
constexpr std::int64_t kQuickCheckLimit = 32LL << 20;

constexpr const char* kSchema =
    "CREATE TABLE objects(id INTEGER PRIMARY KEY, resource TEXT NOT NULL, ns TEXT NOT NULL,"
    " name TEXT NOT NULL, version INTEGER NOT NULL, head_sum INTEGER NOT NULL,"
    " body_sum INTEGER NOT NULL, attributes BLOB NOT NULL, json TEXT NOT NULL);"
    "CREATE TABLE counter(id INTEGER PRIMARY KEY, version INTEGER NOT NULL, sum INTEGER NOT NULL);";

struct CloseConnection {
  void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
};
struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Connection = std::unique_ptr<sqlite3, CloseConnection>;
using StatementPtr = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

/// A prepared statement; reset when its use ends.
class Use {
 public:
  explicit Use(const StatementPtr& statement) : statement_(statement.get()) {}
  ~Use() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

  void bind(int at, std::int64_t n) { sqlite3_bind_int64(statement_, at, n); }
  /// `text` outlives this.
  void bind_text(int at, std::string_view text) {
    sqlite3_bind_text64(statement_, at, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8);
  }
  void bind_blob(int at, std::string_view bytes) {
    sqlite3_bind_blob64(statement_, at, bytes.data(), bytes.size(), SQLITE_STATIC);
  }
  int step() { return sqlite3_step(statement_); }
  std::int64_t number(int column) { return sqlite3_column_int64(statement_, column); }
  std::string_view bytes(int column) {
    const void* data = sqlite3_column_blob(statement_, column);
    const int size = sqlite3_column_bytes(statement_, column);
    return data == nullptr
               ? std::string_view()
               : std::string_view(static_cast<const char*>(data), static_cast<std::size_t>(size));
  }

 private:
  sqlite3_stmt* statement_;
};

/// Whether space ran out. SQLite says FULL only for ENOSPC; a quota or a limit on the size of files
/// comes as a failed write.
bool lacks_space(int rc) {
  return (rc & 0xff) == SQLITE_FULL || rc == SQLITE_IOERR_WRITE || rc == SQLITE_IOERR_SHMSIZE;
}

/// What `rc` means to the caller; `doing` is "write" or "read" or "open".
tl::unexpected<Error> failure(sqlite3* db, int rc, const std::string& path,
                              std::string_view doing) {
  const std::string cannot = path + ": cannot " + std::string(doing) + ": ";
  if (lacks_space(rc)) {
    return fail(Code::Unavailable, cannot +
                                       "the disk (or quota) is full; free some space and try "
                                       "again; nothing was changed");
  }
  switch (rc & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR:  // a statement of ours does not fit the tables
    case SQLITE_MISMATCH:
    case SQLITE_SCHEMA:
      return fail(Code::Malformed,
                  path + ": damaged (" + sqlite3_errmsg(db) + "); " + cure_for(path));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return fail(Code::Unavailable, cannot + "in use by another program; close that one first");
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
      return fail(Code::Unavailable, cannot + sqlite3_errmsg(db) +
                                         "; make the file and its folder writable for this user");
    default: {
      const int number = sqlite3_system_errno(db);
      const std::string cause = number != 0 ? std::string(": ") + std::strerror(number) : "";
      return fail(Code::Unavailable, cannot + sqlite3_errmsg(db) + cause + "; nothing was changed");
    }
  }
}

std::int64_t sum_of_body(std::string_view json) {
  return static_cast<std::int64_t>(stable_hash(json));
}

std::int64_t sum_of_head(const Key& key, std::uint64_t version, std::string_view attributes,
                         std::int64_t body_sum) {
  std::string all;
  all.reserve(96 + key.name.size() + attributes.size());
  for (const std::string* part : {&key.resource, &key.ns, &key.name}) {
    all += *part;
    all += '\0';
  }
  all += std::to_string(version) + ' ' + std::to_string(body_sum) + ' ';
  all += attributes;
  return static_cast<std::int64_t>(stable_hash(all));
}

std::int64_t sum_of_counter(std::uint64_t version) {
  return static_cast<std::int64_t>(stable_hash("counter " + std::to_string(version)));
}

class SqliteDatabase final : public Database {
 public:
  SqliteDatabase(std::string path, std::unique_ptr<FileLock> lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}

  Result<void> start(const std::function<bool(StoredHead)>& load);

  std::uint64_t version() const override { return version_; }
  Result<void> insert(const Record& record) override { return put(insert_, -1, record); }
  Result<void> update(std::int64_t row, const Record& record) override {
    return put(update_, row, record);
  }
  Result<void> remove(std::int64_t row, std::uint64_t version) override;
  Result<StoredBody> read(std::int64_t row) const override;

 private:
  Result<void> create_file();
  Result<Connection> connect(const std::string& path, int flags) const;
  Result<void> run(sqlite3* db, const char* sql, std::string_view doing) const;
  Result<StatementPtr> prepare(sqlite3* db, const char* sql) const;
  Result<void> use_log();
  Result<void> quick_check();
  Result<void> load_counter();
  Result<void> load_heads(const std::function<bool(StoredHead)>& load);
  Result<void> put(const StatementPtr& statement, std::int64_t row, const Record& record);
  Result<void> remove_in_transaction(std::int64_t row, std::uint64_t version);
  /// After a failed write; the transaction is taken back.
  tl::unexpected<Error> write_failed(int rc);
  tl::unexpected<Error> damaged(const std::string& what) const {
    return fail(Code::Malformed, path_ + ": damaged (" + what + "); " + cure_for(path_));
  }

  std::string path_;
  std::unique_ptr<FileLock> lock_;
  std::uint64_t version_ = 1;
  // Statements go before their connection, connections before the lock.
  Connection writer_;
  StatementPtr insert_, update_, delete_, count_, begin_, commit_;
  mutable std::mutex read_mutex_;
  Connection reader_;
  StatementPtr read_;
};

Result<Connection> SqliteDatabase::connect(const std::string& path, int flags) const {
  sqlite3* raw = nullptr;
  // Every connection is used under a lock of ours.
  const int rc = sqlite3_open_v2(path.c_str(), &raw, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  Connection db(raw);
  if (db == nullptr) throw std::bad_alloc();
  if (rc != SQLITE_OK) return failure(db.get(), rc, path, "open");
  sqlite3_extended_result_codes(db.get(), 1);
  return db;
}

Result<void> SqliteDatabase::run(sqlite3* db, const char* sql, std::string_view doing) const {
  const int rc = sqlite3_exec(db, sql, nullptr, nullptr, nullptr);
  if (rc != SQLITE_OK) return failure(db, rc, path_, doing);
  return {};
}

Result<StatementPtr> SqliteDatabase::prepare(sqlite3* db, const char* sql) const {
  sqlite3_stmt* raw = nullptr;
  const int rc = sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
  if (rc != SQLITE_OK) return failure(db, rc, path_, "open");
  return StatementPtr(raw);
}

/// Made aside and renamed: under its name there is a whole database or none.
Result<void> SqliteDatabase::create_file() {
  const std::string aside = path_ + ".new";
  MR_TRY(make_private_file(aside));
  {
    MR_ASSIGN(const Connection db, connect(aside, SQLITE_OPEN_READWRITE));
    const std::string sql =
        "PRAGMA journal_mode=MEMORY; PRAGMA application_id=" + std::to_string(kApplicationId) +
        "; PRAGMA user_version=" + std::to_string(kSchemaVersion) + "; BEGIN;" + kSchema +
        "INSERT INTO counter VALUES(1, 1, " + std::to_string(sum_of_counter(1)) + "); COMMIT;";
    MR_TRY(run(db.get(), sql.c_str(), "create"));
  }
  return rename_file(aside, path_);
}

Result<void> SqliteDatabase::use_log() {
  MR_ASSIGN(const StatementPtr statement, prepare(writer_.get(), "PRAGMA journal_mode=WAL"));
  Use use(statement);
  const int rc = use.step();
  if (rc != SQLITE_ROW) return failure(writer_.get(), rc, path_, "open");
  if (use.bytes(0) == "wal") return {};
  return fail(Code::Unavailable, path_ +
                                     ": this file system cannot hold a write-ahead log (a "
                                     "network share?); use a folder on a local disk");
}

Result<void> SqliteDatabase::quick_check() {
  {
    MR_ASSIGN(const StatementPtr statement,
              prepare(writer_.get(),
                      "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"));
    Use use(statement);
    if (use.step() == SQLITE_ROW && use.number(0) > kQuickCheckLimit) return {};
  }
  MR_ASSIGN(const StatementPtr statement, prepare(writer_.get(), "PRAGMA quick_check(1)"));
  Use use(statement);
  const int rc = use.step();
  if (rc != SQLITE_ROW) return failure(writer_.get(), rc, path_, "open");
  if (use.bytes(0) != "ok") return damaged(std::string(use.bytes(0)));
  return {};
}

Result<void> SqliteDatabase::load_counter() {
  MR_ASSIGN(const StatementPtr statement,
            prepare(writer_.get(), "SELECT version, sum FROM counter WHERE id=1"));
  Use use(statement);
  const int rc = use.step();
  if (rc == SQLITE_DONE) return damaged("the version counter is missing");
  if (rc != SQLITE_ROW) return failure(writer_.get(), rc, path_, "open");
  version_ = static_cast<std::uint64_t>(use.number(0));
  if (use.number(1) != sum_of_counter(version_)) return damaged("the version counter is wrong");
  return {};
}

Result<void> SqliteDatabase::load_heads(const std::function<bool(StoredHead)>& load) {
  MR_ASSIGN(const StatementPtr statement,
            prepare(writer_.get(),
                    "SELECT id, resource, ns, name, version, attributes, body_sum, head_sum "
                    "FROM objects"));
  Use use(statement);
  int rc = use.step();
  for (; rc == SQLITE_ROW; rc = use.step()) {
    StoredHead head;
    head.row = use.number(0);
    head.key = {std::string(use.bytes(1)), std::string(use.bytes(2)), std::string(use.bytes(3))};
    head.version = static_cast<std::uint64_t>(use.number(4));
    const std::string_view attributes = use.bytes(5);
    const bool whole =
        sum_of_head(head.key, head.version, attributes, use.number(6)) == use.number(7) &&
        unpack_attributes(attributes, head.key, nullptr, head.uid, head.attributes);
    const std::int64_t row = head.row;
    const std::uint64_t version = head.version;
    if (!whole || !load(std::move(head))) return damaged("row " + std::to_string(row));
    version_ = std::max(version_, version);
  }
  if (rc != SQLITE_DONE) return failure(writer_.get(), rc, path_, "read");
  return {};
}

Result<void> SqliteDatabase::start(const std::function<bool(StoredHead)>& load) {
  MR_ASSIGN(const FileState state, inspect_file(path_));
  if (state == FileState::Missing) MR_TRY(create_file());
  MR_ASSIGN(writer_, connect(path_, SQLITE_OPEN_READWRITE));
  sqlite3* db = writer_.get();
  MR_TRY(use_log());
  for (const char* setting : {"PRAGMA synchronous=NORMAL", "PRAGMA cell_size_check=ON",
                              kWriterCache, kCheckpoint, kLogSize}) {
    MR_TRY(run(db, setting, "open"));
  }
  if (state == FileState::Ours) MR_TRY(quick_check());
  MR_TRY(load_counter());
  MR_TRY(load_heads(load));
  const struct {
    StatementPtr& statement;
    const char* sql;
  } statements[] = {
      {insert_,
       "INSERT INTO objects(resource, ns, name, version, head_sum, body_sum, attributes, json, id) "
       "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"},
      {update_,
       "UPDATE objects SET resource=?1, ns=?2, name=?3, version=?4, head_sum=?5, body_sum=?6, "
       "attributes=?7, json=?8 WHERE id=?9"},
      {delete_, "DELETE FROM objects WHERE id=?1"},
      {count_, "UPDATE counter SET version=?1, sum=?2 WHERE id=1"},
      {begin_, "BEGIN IMMEDIATE"},
      {commit_, "COMMIT"},
  };
  for (const auto& s : statements) {
    MR_ASSIGN(s.statement, prepare(db, s.sql));
  }
  MR_ASSIGN(reader_, connect(path_, SQLITE_OPEN_READWRITE));  // a reader of a log maps its index
  for (const char* setting : {"PRAGMA query_only=ON", kReaderCache}) {
    MR_TRY(run(reader_.get(), setting, "open"));
  }
  MR_ASSIGN(read_,
            prepare(reader_.get(), "SELECT version, body_sum, json FROM objects WHERE id=?1"));
  return {};
}

tl::unexpected<Error> SqliteDatabase::write_failed(int rc) {
  auto error = failure(writer_.get(), rc, path_, "write");
  if (sqlite3_get_autocommit(writer_.get()) == 0) {
    sqlite3_exec(writer_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
  }
  return error;
}

Result<void> SqliteDatabase::put(const StatementPtr& statement, std::int64_t row,
                                 const Record& record) {
  const std::string attributes =
      pack_attributes(record.key, record.uid, record.attributes, nullptr);
  const std::int64_t body_sum = sum_of_body(record.json);
  const auto version = static_cast<std::int64_t>(record.version);
  Use use(statement);
  use.bind_text(1, record.key.resource);
  use.bind_text(2, record.key.ns);
  use.bind_text(3, record.key.name);
  use.bind(4, version);
  use.bind(5, sum_of_head(record.key, record.version, attributes, body_sum));
  use.bind(6, body_sum);
  use.bind_blob(7, attributes);
  use.bind_text(8, record.json);
  use.bind(9, row < 0 ? version : row);
  const int rc = use.step();  // a transaction of its own
  if (rc != SQLITE_DONE) return write_failed(rc);
  if (sqlite3_changes(writer_.get()) != 1) return damaged("a row is missing");
  return {};
}

Result<void> SqliteDatabase::remove_in_transaction(std::int64_t row, std::uint64_t version) {
  Use drop(delete_);
  drop.bind(1, row);
  int rc = drop.step();
  if (rc != SQLITE_DONE) return write_failed(rc);
  if (sqlite3_changes(writer_.get()) != 1) {
    sqlite3_exec(writer_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
    return damaged("a row is missing");
  }
  Use count(count_);
  count.bind(1, static_cast<std::int64_t>(version));
  count.bind(2, sum_of_counter(version));
  rc = count.step();
  if (rc != SQLITE_DONE) return write_failed(rc);
  return {};
}

Result<void> SqliteDatabase::remove(std::int64_t row, std::uint64_t version) {
  {
    Use begin(begin_);
    if (const int rc = begin.step(); rc != SQLITE_DONE) return write_failed(rc);
  }
  MR_TRY(remove_in_transaction(row, version));
  Use commit(commit_);
  if (const int rc = commit.step(); rc != SQLITE_DONE) return write_failed(rc);
  return {};
}

Result<StoredBody> SqliteDatabase::read(std::int64_t row) const {
  const std::lock_guard lock(read_mutex_);
  Use use(read_);
  use.bind(1, row);
  const int rc = use.step();
  if (rc == SQLITE_DONE) return StoredBody{};
  if (rc != SQLITE_ROW) return failure(reader_.get(), rc, path_, "read");
  StoredBody body;
  body.version = static_cast<std::uint64_t>(use.number(0));
  body.json = use.bytes(2);
  if (sum_of_body(body.json) != use.number(1)) return damaged("row " + std::to_string(row));
  return body;
}

}  // namespace

Result<std::unique_ptr<Database>> Database::open(const std::string& path,
                                                 const std::function<bool(StoredHead)>& load) {
  MR_ASSIGN(auto lock, FileLock::take(path));
  auto database = std::make_unique<SqliteDatabase>(path, std::move(lock));
  MR_TRY(database->start(load));
  return database;
}

}  // namespace millrace::storage
