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
    bool suspend = false;
    std::string managed_by;
    codec::Value pod_template;  ///< core/v1 PodTemplateSpec; null once the Job has finished
    bool operator==(const Spec&) const = default;
    template <class V, class Self>
    static void describe(V& v, Self& self) {
      v.field("parallelism", self.parallelism);
      v.field("completions", self.completions);
      v.field("backoffLimit", self.backoff_limit);
      v.field("activeDeadlineSeconds", self.active_deadline_seconds);
      v.field("suspend", self.suspend);
      v.field("managedBy", self.managed_by);
      v.field("template", self.pod_template);
    }
  };
  struct JobStatus {
    int active = 0;
    int ready = 0;
    int terminating = 0;
    int succeeded = 0;
    int failed = 0;
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
