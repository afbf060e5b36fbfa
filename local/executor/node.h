/// The Node object of this machine.
#pragma once

#include <string>

#include "kubeclient/client/client.h"
#include "kubeclient/runtime/env.h"

namespace millrace::executor {

/// The body of the Node. Pure.
std::string node_body(const std::string& name, int cpus, std::int64_t memory, Time now);

/// Create it, or leave it as it stands. A server without Nodes is none the worse.
void register_node(client::Writer& writer, const std::string& name, const runtime::Env& env);

}  // namespace millrace::executor
