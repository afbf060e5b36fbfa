/// What watches of the same objects say, made once for all of them.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "kubeclient/base/guarded.h"
#include "local/apiserver/stream.h"

namespace millrace::apiserver {

/// The changes of a collection after version `from`, up to `to`.
struct SharedPiece {
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  Piece piece;
};

/// The latest pieces of each collection that two readers or more follow. A piece is right for ever,
/// since history does not change; the few that are kept serve readers that are about equally far.
/// Safe from any thread.
class SharedPieces {
 public:
  /// One reader of a collection; it counts as one while it lives.
  class Reader {
   public:
    Reader(std::shared_ptr<SharedPieces> all, std::string collection);
    ~Reader();
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    /// The piece that begins after version `from`, if somebody made it.
    std::optional<SharedPiece> find(std::uint64_t from) const;
    /// Give what one made to those that come here next.
    void keep(SharedPiece made);

   private:
    const std::shared_ptr<SharedPieces> all_;
    const std::string collection_;
  };

 private:
  struct Collection {
    int readers = 0;
    std::deque<SharedPiece> latest;
  };
  Guarded<std::map<std::string, Collection>> collections_;
};

}  // namespace millrace::apiserver
