/// The labels and annotations by which children are found and understood.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "kubeclient/api/meta.h"

namespace millrace::logic {

inline constexpr std::string_view kFieldManager = "millrace";
/// Value of a Job's spec.managedBy when we run it ourselves.
inline constexpr std::string_view kJobController = "millrace.dev/job-controller";

/// What managedBy says when Kubernetes' own controller is meant; the same as saying nothing.
inline constexpr std::string_view kBuiltInJobController = "kubernetes.io/job-controller";

// Labels of the workload. Values above 63 bytes are shortened (names.h, label_value).
inline constexpr const char* kPipelineLabel = "pipeline";
inline constexpr const char* kPipelineRunLabel = "pipeline-run";
inline constexpr const char* kAppLabel = "k8s-app";
inline constexpr const char* kRunLabel = "millrace.dev/run";
inline constexpr const char* kRunUidLabel = "millrace.dev/run-uid";  ///< index and select by this
inline constexpr const char* kStepLabel = "millrace.dev/step";
inline constexpr const char* kAttemptLabel = "millrace.dev/attempt";  ///< from 1

// Labels of a run that a schedule made: what made it, and the tick as unix seconds.
inline constexpr const char* kTriggerLabel = "millrace.dev/trigger";
inline constexpr const char* kTickLabel = "millrace.dev/tick";

// Annotations.
inline constexpr const char* kRevisionAnnotation = "millrace.dev/revision";
/// On a run, before anything is made for it: "<its UID>/<revision>". The UID keeps a copy of the
/// run from working by what its model worked by.
inline constexpr const char* kFrozenAnnotation = "millrace.dev/frozen";
/// When the attempt was started, with microseconds; creationTimestamp has whole seconds only.
inline constexpr const char* kStartedAnnotation = "millrace.dev/started";
/// Full names, only where the label had to be shortened.
inline constexpr const char* kRunAnnotation = "millrace.dev/run-name";
inline constexpr const char* kPipelineAnnotation = "millrace.dev/pipeline-name";
/// On a pod of a Job of many pods: "<slot>.<attempt>".
inline constexpr const char* kSlotAnnotation = "millrace.dev/slot";
/// On such pods of Indexed Jobs, also as a label. Source: Kubernetes, batch/v1 well-known names.
inline constexpr const char* kIndexAnnotation = "batch.kubernetes.io/job-completion-index";
inline constexpr const char* kIndexFailuresAnnotation =
    "batch.kubernetes.io/job-index-failure-count";
/// On a Job that is to be stopped: the reason and the message it then ends with.
inline constexpr const char* kStopAnnotation = "millrace.dev/stop";
inline constexpr const char* kStopMessageAnnotation = "millrace.dev/stop-message";
/// On a run that is a step of another: how deep it is nested, from 1.
inline constexpr const char* kDepthAnnotation = "millrace.dev/depth";
/// The finalizer of pipeline-operator: accepted, and removed on deletion.
inline constexpr std::string_view kForeignFinalizer = "finalizer.ljchen.net";

/// A Pipeline's labels as its children get them: without those the Job API sets itself
/// (controller-uid, job-name, batch.kubernetes.io/*).
std::map<std::string, std::string> inherited_labels(
    const std::map<std::string, std::string>& labels);

/// A Pipeline's annotations as its children get them: without kubectl's last-applied copy, the
/// Job API's own and ours.
std::map<std::string, std::string> inherited_annotations(
    const std::map<std::string, std::string>& annotations);

/// `inherited` plus pipeline, pipeline-run and k8s-app. Ours win over inherited ones.
std::map<std::string, std::string> workload_labels(
    const std::map<std::string, std::string>& inherited, const std::string& pipeline,
    const std::string& run, const std::string& app);

/// True for a finalizer that we remove on deletion: the inherited one and any under millrace.dev/.
bool is_our_finalizer(std::string_view finalizer);

}  // namespace millrace::logic
