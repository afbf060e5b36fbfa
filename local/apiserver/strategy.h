/// What the API server does to objects of each kind on the way in: fields that only it sets, what
/// an update may change, and how a deletion goes.
///
/// Pure functions: time, UIDs and random text come in as data. The order of a create is `fit`,
/// `apply_defaults`, `prepare_create`, then `schema::validate` and `validate_create`, whose
/// problems add up to one answer; an update likewise. Facts and wording: Kubernetes 1.34,
/// pkg/registry, pkg/apis/*/validation and apiserver/pkg/registry/rest, measured against a real
/// server.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kubeclient/base/clock.h"
#include "kubeclient/codec/value.h"
#include "local/schema/fit.h"
#include "local/schema/kinds.h"

namespace millrace::apiserver {

using Problems = std::vector<schema::Problem>;

/// Which part of an object a request may write.
enum class Part { Main, Status };

/// What a create needs from outside.
struct Creation {
  Time now;
  std::string uid;  ///< of the new object
  /// Whether a Service has this cluster IP already; null: none has.
  std::function<bool(std::string_view address)> address_taken = nullptr;
};

/// `base` (metadata.generateName) cut to 58 bytes, with `suffix` (5 characters) after it. Source:
/// Kubernetes, apiserver/pkg/storage/names.
std::string generated_name(std::string_view base, std::string_view suffix);

/// Set what only the server sets in a new object that has its name and namespace: uid,
/// creationTimestamp, generation, status at birth, and each kind's own (selector of a Job, QoS
/// class of a Pod, address of a Service, ...). What clients may not set is dropped without a word,
/// as there. The resourceVersion is not touched.
void prepare_create(codec::Value& object, const schema::Kind& kind, const Creation& creation);
/// The last step, on a valid object.
void settle_create(codec::Value& object, const schema::Kind& kind);
/// Problems of metadata, and of what `prepare_create` could not put right.
Problems validate_create(const codec::Value& object, const schema::Kind& kind);

/// Bring an update into order: fields the request may not write come back from `old` (the other
/// part, creationTimestamp, deletionTimestamp, ...), and the generation is raised when the spec
/// changed. `object` keeps its own managedFields and resourceVersion.
void prepare_update(codec::Value& object, const codec::Value& old, const schema::Kind& kind,
                    Part part, Time now);
/// Problems of metadata, of fields that may not change, and of a status that tells a wrong story.
Problems validate_update(const codec::Value& object, const codec::Value& old,
                         const schema::Kind& kind, Part part);

/// Whether PUT without metadata.resourceVersion is allowed; otherwise the answer is 422
/// `metadata.resourceVersion: Invalid value: 0: must be specified for an update`.
bool allows_unconditional_update(const schema::Kind& kind);
/// Whether PUT (and no patch but apply) may create the object.
bool allows_create_on_update(const schema::Kind& kind);

enum class Propagation { Background, Foreground, Orphan };

/// The parts of metav1.DeleteOptions that matter to one object.
struct Deletion {
  std::optional<std::int64_t> grace_seconds = {};
  std::optional<Propagation> propagation = {};  ///< also from the old `orphanDependents`
};

/// What a delete request comes to.
enum class DeleteStep {
  Remove,   ///< take it out of the storage now
  Update,   ///< store the changed object (deletionTimestamp, finalizers); it goes later
  Nothing,  ///< it is on its way already; answer with what is there
};

/// Decide on a delete request and change `object` to what is to be stored, or to be shown as the
/// last state. Pods go at once when finished, not scheduled, or with grace 0; else they wait for
/// their kubelet.
DeleteStep prepare_delete(codec::Value& object, const schema::Kind& kind, const Deletion& deletion,
                          Time now);
/// Whether an update that leaves `object` behind was the last thing that its deletion waited for.
bool ends_deletion(const codec::Value& object, const schema::Kind& kind);
/// The Warning header that goes with a delete, or empty.
std::string delete_warning(const schema::Kind& kind, const Deletion& deletion);

}  // namespace millrace::apiserver
