/// Asks an API server what it would say to objects: creates and applies that store nothing.
#pragma once

#include <stop_token>

#include "controllers/logic/trial.h"
#include "controllers/shell/user_objects.h"
#include "kubeclient/client/client.h"

namespace millrace::shell {

/// Try what `plan` holds, one after another, and the pod of each Job and Deployment. Ends early
/// when the server cannot be asked, and asks about no kind again that we lack the right to ask
/// about. Errors: Cancelled.
Result<logic::TrialReport> run_trials(const logic::TrialPlan& plan, client::Writer& writer,
                                      UserObjects& objects, const std::stop_token& stop);

}  // namespace millrace::shell
