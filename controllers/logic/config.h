/// The operator's configuration as far as plans depend on it: config/millrace.yaml.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "controllers/logic/http_config.h"
#include "controllers/logic/webhook_config.h"
#include "kubeclient/codec/describe.h"

namespace millrace::logic {

/// Who runs our Jobs.
enum class JobController { Millrace, Kubernetes };

}  // namespace millrace::logic

template <>
struct millrace::codec::EnumNames<millrace::logic::JobController> {
  using E = millrace::logic::JobController;
  static constexpr EnumName<E> names[] = {{E::Millrace, "millrace"}, {E::Kubernetes, "kubernetes"}};
};

namespace millrace::logic {

/// The image of each adapter kind. Empty: pipelines that need it fail with AdapterImageMissing.
struct AdapterImages {
  std::string input_elastic_search;
  std::string input_api_server;
  std::string output_api;
  std::string output_ftp;
  std::string output_as2;
  std::string output_kafka;
  std::string output_email;

  bool operator==(const AdapterImages&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("inputElasticSearch", self.input_elastic_search,
            {.doc = "Image of `input.elasticSearch`."});
    v.field("inputApiServer", self.input_api_server, {.doc = "Image of `input.apiServer`."});
    v.field("outputApi", self.output_api, {.doc = "Image of `outputs[].api`."});
    v.field("outputFtp", self.output_ftp, {.doc = "Image of `outputs[].ftp`."});
    v.field("outputAs2", self.output_as2, {.doc = "Image of `outputs[].as2`."});
    v.field("outputKafka", self.output_kafka, {.doc = "Image of `outputs[].kafka`."});
    v.field("outputEmail", self.output_email, {.doc = "Image of `outputs[].email`."});
  }
};

/// The whole file. Decode with codec::JsonReader in Strict mode: unknown keys are errors.
struct Config {
  AdapterImages adapter_images;
  JobController job_controller = JobController::Millrace;
  /// Image → command and arguments: what stands for the image's entry point where local mode runs
  /// containers as plain processes. A cluster takes no notice.
  std::map<std::string, std::vector<std::string>> image_commands;
  /// Run the Jobs that name no manager too: the API server has no Job controller of its own. Set by
  /// local mode only, hence no key of the file: on a cluster two would run the same Job.
  bool run_unmanaged_jobs = false;

  HttpConfig http;
  WebhookConfig webhook;
  /// Into how many shards the work of a cluster is cut; the flag --shards beats it.
  int shards = 1;

  bool operator==(const Config&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("adapterImages", self.adapter_images,
            {.doc = "The images behind the inputs and outputs of batch jobs."});
    v.field("jobController", self.job_controller,
            {.doc = "Who runs the Jobs: `millrace` (fast; needs Kubernetes 1.32) or `kubernetes`.",
             .default_json = "\"millrace\""});
    v.field("http", self.http, {.doc = "Where HTTP steps may go, and how."});
    v.field("webhook", self.webhook, {.doc = "Where webhooks are taken."});
    v.field("shards", self.shards,
            {.doc = "Into how many parts the runs are cut, so that as many replicas share them.",
             .min = 1,
             .max = 16,
             .default_json = "1"});
    v.field("imageCommands", self.image_commands,
            {.doc = "Local mode without a container engine: the command that stands for the entry "
                    "point of an image, by image."});
  }
};

}  // namespace millrace::logic
