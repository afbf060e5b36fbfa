/// What a cluster has before anybody asks for it.
#pragma once

#include <string>

#include "local/apiserver/context.h"

namespace millrace::apiserver {

/// The namespaces default, kube-system, kube-public, kube-node-lease and millrace-system, and a
/// ServiceAccount "default" in every namespace. What is there stays as it is.
void make_first_objects(Context& context);
/// The ServiceAccount "default" of one namespace; in a real cluster a controller makes it.
void make_service_account(Context& context, const std::string& ns);

}  // namespace millrace::apiserver
