#include "local/apiserver/stream.h"

#include <cstdio>
#include <utility>

namespace millrace::apiserver {
namespace {

constexpr std::string_view kLineEnd = "\r\n";

}  // namespace

Piece::Piece(std::string text) {
  if (text.empty()) return;  // a chunk of nothing would end the answer
  char head[24];
  head_ = static_cast<std::size_t>(std::snprintf(head, sizeof head, "%zx\r\n", text.size()));
  text.reserve(text.size() + head_ + kLineEnd.size());
  text.insert(0, head, head_).append(kLineEnd);
  framed_ = std::make_shared<const std::string>(std::move(text));
}

std::string_view Piece::text() const {
  if (empty()) return {};
  return std::string_view(*framed_).substr(head_, framed_->size() - head_ - kLineEnd.size());
}

}  // namespace millrace::apiserver
