/// Planning for Jobs of any shape: many pods, retries, indexes, policies.
#pragma once

#include <optional>
#include <string_view>

#include "controllers/logic/job.h"

namespace millrace::logic {

/// Plan the next step of a Job that is ours and not being deleted. Total.
///
/// A Job has slots, each of which has to succeed once: with completion mode Indexed the slots are
/// the indexes, otherwise they are numbered in secret. A slot's attempts follow one another, and a
/// pod's name follows from (Job UID, slot, attempt), so that no crash makes one twice. Pods have no
/// finalizer; what is known of pods that may vanish stands in the condition millrace.dev/Pods,
/// written with the counters in one write and dropped at the end.
///
/// Deviation: failures that no pod is left to tell the time of are retried without a pause.
JobPlan plan_many(const JobInput& input);

/// The pod of a slot's attempt, as it is sent.
Action create_slot_pod(const api::Job& job, PodSlot slot, int failures);

/// What an annotation kSlotAnnotation says; none when it is none of ours.
std::optional<PodSlot> parse_slot(std::string_view text);
/// The slot that a pod was made for; none for pods that are not ours.
std::optional<PodSlot> slot_of(const api::Pod& pod);

}  // namespace millrace::logic
