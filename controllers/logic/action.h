/// What a plan asks the shell to do: one API write per action, and notes that become events.
#pragma once

#include <string>

#include "kubeclient/api/meta.h"
#include "kubeclient/base/result.h"
#include "kubeclient/codec/value.h"

namespace millrace::logic {

/// One write to the API server. Run actions in order and stop at the first error; each is safe to
/// repeat. Which error of which verb is a success:
/// - Create: AlreadyExists, when the live object's controller has the UID `owner_uid`. With another
///   controller it is a failure that goes back into the plan as a `CreateFailure`.
/// - Apply: none; a refusal goes back into the plan as a `CreateFailure` too.
/// - Delete: NotFound, and Conflict of the `uid` precondition (another object of that name).
/// - MergePatch and PatchStatus: none. NotFound and Conflict mean: gather again.
struct Action {
  enum class Verb {
    Create,       ///< POST of `body`
    MergePatch,   ///< merge patch; `body` has metadata.resourceVersion where a race would harm
    PatchStatus,  ///< merge patch of the status subresource
    Apply,        ///< server-side apply with force, field manager `kFieldManager`
    Delete,       ///< with the precondition `uid`; the object's own grace period holds
  };
  enum class Propagation { Background, Foreground };

  Verb verb = Verb::Create;
  api::ApiResource resource;
  ObjectKey key;
  codec::Value body;      ///< null for Delete
  std::string owner_uid;  ///< Create: UID of the controller that `body` names
  std::string uid;        ///< Delete: UID of the object that is meant
  /// Apply of a user's object: `resource` is empty, apiVersion and kind of `body` say what it is,
  /// and it is done as this service account of `account_ns`. Empty: as ourselves.
  std::string service_account;
  std::string account_ns;
  Propagation propagation = Propagation::Background;  ///< Delete: what becomes of dependents

  bool operator==(const Action&) const = default;
};

/// It makes a Job, of which there is none yet.
bool makes_job(const Action& action);

/// A Create or Apply that the server refused, as the shell remembers it for the object's key. The
/// shell plans again at once with it; such a plan does not repeat the Create, it says what it
/// means. Forget it before the next gather of the same key that is not that second plan.
struct CreateFailure {
  Error error;       ///< AlreadyExists here means: taken by a foreign owner
  std::string kind;  ///< "Job", "Pod", "ControllerRevision", "Deployment" or "Service"
  ObjectKey key;     ///< the object that could not be created
  int count = 1;     ///< failures in a row, from 1; sets the pause before the next try
  bool operator==(const CreateFailure&) const = default;
};

/// What a refused Create means.
struct CreateVerdict {
  bool permanent = false;  ///< repeating it cannot help
  std::string reason;      ///< e.g. "QuotaExceeded", "CreateFailed", "NameConflict"
  Duration pause{};        ///< until the next try, when not permanent
};
CreateVerdict judge(const CreateFailure& failure);

/// A transition that a person cares about; becomes an event on the planned object.
struct Note {
  enum class Type { Normal, Warning };
  Type type = Type::Normal;
  std::string reason;
  std::string message;
  bool operator==(const Note&) const = default;
};

}  // namespace millrace::logic
