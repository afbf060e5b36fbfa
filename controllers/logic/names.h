/// Names of children, derived from their owner: the same on every try, never two alike.
#pragma once

#include <string>
#include <string_view>

namespace millrace::logic {

/// `name` if it has at most `limit` (>= 12) bytes, else its beginning, '-' and 8 hex digits of the
/// whole; ends with a letter or digit either way.
std::string shorten(std::string_view name, std::size_t limit);

/// `name` as a label value: at most 63 bytes.
std::string label_value(std::string_view name);

/// `<run>-build-<6 hex>`, at most 57 bytes: the Job of one attempt (from 1) of one plan node.
std::string job_name(std::string_view run, std::string_view run_uid, std::string_view node,
                     int attempt);

/// `<run>-<step>-<10 hex>`, at most 57 bytes: the Job or run that is one attempt (from 1) of a step
/// of a graph. A run may have thousands of them, hence more digits.
std::string step_object_name(std::string_view run, std::string_view run_uid, std::string_view step,
                             int attempt);

/// `<job>-<5 hex>`, at most 63 bytes for our Jobs: the pod of a Job.
std::string pod_name(std::string_view job, std::string_view job_uid);

/// The pod of one slot's attempt (both from 0) of a Job of many pods, at most 63
/// bytes. Never two alike for one Job.
std::string slot_pod_name(std::string_view job, std::string_view job_uid, int slot, int attempt);

/// `build-step-<step>`: the container of a step.
std::string container_name(std::string_view step);

/// `<pipeline>-deploy-<service>`, at most 63 bytes.
std::string deployment_name(std::string_view pipeline, std::string_view service);

/// `<pipeline>-<10 hex>`: the ControllerRevision that holds `content` of the pipeline with `uid`.
std::string revision_name(std::string_view pipeline, std::string_view uid,
                          std::string_view content);

}  // namespace millrace::logic
