#include "local/apiserver/api.h"
#include "local/apiserver/server.h"

namespace millrace::apiserver {

Result<std::unique_ptr<Server>> Server::start(Api& api, const ServerOptions& options,
                                              const Clock& clock, const Logger& log) {
  return start(Handler([&api](const Request& request) { return api.handle(request); }), options,
               clock, log);
}

}  // namespace millrace::apiserver
