/// What all verbs share.
#pragma once

#include <memory>

#include "local/apiserver/api.h"
#include "local/apiserver/identities.h"
#include "local/apiserver/shared_pieces.h"
#include "local/apiserver/timers.h"

namespace millrace::apiserver {

struct Context {
  storage::Storage& storage;
  const Clock& clock;
  const Logger& log;
  LogSource* logs;  ///< may be null
  ApiOptions options;
  Identities identities;
  // Shared with streams, which may live longer.
  std::shared_ptr<Timers> timers;
  std::shared_ptr<SharedPieces> pieces;
};

}  // namespace millrace::apiserver
