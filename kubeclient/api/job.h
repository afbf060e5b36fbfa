/// batch/v1 Job, trimmed: what a Job controller plans from, without the pod template's content.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kubeclient/api/meta.h"

namespace millrace::api {

/// batch/v1 Job.
struct Job {
  static constexpr ApiResource kResource{"batch", "v1", "jobs", "Job", true};

  struct Spec {
    std::optional<int> parallelism;
    std::optional<int> completions;
    std::optional<int> backoff_limit;
    std::optional<std::int64_t> active_deadline_seconds;
    std::optional<int> ttl_seconds_after_finished;
    std::optional<int> backoff_limit_per_index;
    std::optional<int> max_failed_indexes;
    bool suspend = false;
    std::string completion_mode;         ///< "NonIndexed" (also when empty) or "Indexed"
    std::string pod_replacement_policy;  ///< "TerminatingOrFailed" or "Failed"
    std::string managed_by;
    codec::Value pod_failure_policy;  ///< batch/v1 PodFailurePolicy, or null
    codec::Value success_policy;      ///< batch/v1 SuccessPolicy, or null
    codec::Value pod_template;        ///< core/v1 PodTemplateSpec; null once the Job has finished
    bool operator==(const Spec&) const = default;
    template <class V, class Self>
    static void describe(V& v, Self& self) {
      v.field("parallelism", self.parallelism);
      v.field("completions", self.completions);
      v.field("backoffLimit", self.backoff_limit);
      v.field("activeDeadlineSeconds", self.active_deadline_seconds);
      v.field("ttlSecondsAfterFinished", self.ttl_seconds_after_finished);
      v.field("backoffLimitPerIndex", self.backoff_limit_per_index);
      v.field("maxFailedIndexes", self.max_failed_indexes);
      v.field("suspend", self.suspend);
      v.field("completionMode", self.completion_mode);
      v.field("podReplacementPolicy", self.pod_replacement_policy);
      v.field("managedBy", self.managed_by);
      v.field("podFailurePolicy", self.pod_failure_policy);
      v.field("successPolicy", self.success_policy);
      v.field("template", self.pod_template);
    }
  };
  struct JobStatus {
    int active = 0;
    int ready = 0;
    int terminating = 0;
    int succeeded = 0;
    int failed = 0;
    std::string completed_indexes;
    std::string failed_indexes;
    std::optional<Time> start_time;
    std::optional<Time> completion_time;
    std::vector<Condition> conditions;
    bool operator==(const JobStatus&) const = default;
    template <class V, class Self>
    static void describe(V& v, Self& self) {
      v.field("active", self.active);
      v.field("ready", self.ready);
      v.field("terminating", self.terminating);
      v.field("succeeded", self.succeeded);
      v.field("failed", self.failed);
      v.field("completedIndexes", self.completed_indexes);
      v.field("failedIndexes", self.failed_indexes);
      v.field("startTime", self.start_time);
      v.field("completionTime", self.completion_time);
      v.field("conditions", self.conditions);
    }
  };

  ObjectMeta metadata;
  Spec spec;
  JobStatus status;

  bool operator==(const Job&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("metadata", self.metadata);
    v.field("spec", self.spec);
    v.field("status", self.status);
  }
};

}  // namespace millrace::api
