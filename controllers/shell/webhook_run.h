/// What a webhook's run is made of. Pure.
#pragma once

#include <string>
#include <string_view>

#include "controllers/delivery/delivery.h"
#include "controllers/logic/action.h"
#include "crds/pipeline.h"

namespace millrace::shell {

/// On runs that a webhook made: "true", and the delivery's id.
inline constexpr const char* kWebhookAnnotation = "millrace.dev/webhook";
inline constexpr const char* kDeliveryAnnotation = "millrace.dev/delivery-id";

/// The header that carries the signature.
std::string signature_header(const crds::Trigger& trigger);

/// `spec.trigger` of the run: {type, id, body, headers, query, callbackUrl}. The body is JSON if it
/// says so, or says nothing and is; else text; null when empty. Names of headers are in lower case;
/// what serves authentication, and what belongs to the connection, is left out. Errors: Invalid
/// (not the JSON that it says it is, not UTF-8).
Result<codec::Value> trigger_value(const delivery::Delivery& delivery,
                                   const crds::Trigger& trigger);

/// `spec.params` of the run, from the trigger's expressions. Errors: Invalid, naming the param and
/// the path.
Result<codec::Value> trigger_params(const crds::Trigger& trigger, const codec::Value& value);

/// `<pipeline>-<12 hex>`: the same for the same id. `salt`: for the case that another id has taken
/// the name.
std::string webhook_run_name(const crds::Pipeline& pipeline, std::string_view id, int salt = 0);

/// The Create of the run. `trigger` and `params` as above; `revision` is the name of the frozen
/// pipeline it works from.
logic::Action create_webhook_run(const crds::Pipeline& pipeline, const std::string& revision,
                                 const std::string& name, codec::Value trigger,
                                 codec::Value params);

}  // namespace millrace::shell
