#include "local/apiserver/shared_pieces.h"

#include <algorithm>
#include <utility>

namespace millrace::apiserver {
namespace {

/// Two threads at two places each; what is kept of a collection is at most 256 KiB then.
constexpr std::size_t kKept = 4;

}  // namespace

SharedPieces::Reader::Reader(std::shared_ptr<SharedPieces> all, std::string collection)
    : all_(std::move(all)), collection_(std::move(collection)) {
  ++(*all_->collections_.lock())[collection_].readers;
}

SharedPieces::Reader::~Reader() {
  const auto collections = all_->collections_.lock();
  const auto it = collections->find(collection_);
  if (--it->second.readers == 0) collections->erase(it);
}

std::optional<SharedPiece> SharedPieces::Reader::find(std::uint64_t from) const {
  const auto collections = all_->collections_.lock();
  const auto& latest = collections->find(collection_)->second.latest;
  const auto it = std::find_if(latest.rbegin(), latest.rend(),
                               [from](const SharedPiece& piece) { return piece.from == from; });
  if (it == latest.rend()) return std::nullopt;
  return *it;
}

void SharedPieces::Reader::keep(SharedPiece made) {
  SharedPiece old;  // freed without the lock
  const auto collections = all_->collections_.lock();
  Collection& collection = collections->find(collection_)->second;
  if (collection.readers < 2) return;
  collection.latest.push_back(std::move(made));
  if (collection.latest.size() <= kKept) return;
  old = std::move(collection.latest.front());
  collection.latest.pop_front();
}

}  // namespace millrace::apiserver
