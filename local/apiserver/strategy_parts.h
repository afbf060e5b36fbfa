/// The pieces that strategy.cc is put together from: one set of functions per kind.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "local/apiserver/strategy.h"
#include "local/schema/problems.h"

namespace millrace::apiserver {

/// Equal, with absent, null and empty taken for the same, at any depth. Either may be null.
bool same(const codec::Value* a, const codec::Value* b);
/// The text at a path, or empty.
std::string text_at(const codec::Value& object, std::initializer_list<std::string_view> path);
/// The number at a path, or 0.
std::int64_t number_at(const codec::Value& object, std::initializer_list<std::string_view> path);
/// Set `object[name]` to what `from` has there; remove it when `from` has none.
void copy_member(codec::Value& object, const codec::Value& from, std::string_view name);
/// Complain when the member at `path` (names of `spec`, `template`, ...) is another than before.
void check_immutable(schema::Problems& out, const codec::Value& object, const codec::Value& old,
                     std::initializer_list<std::string_view> path);
/// Complain about a negative number; absent is fine.
void check_not_negative(schema::Problems& out, const codec::Value& object,
                        std::initializer_list<std::string_view> path);

// Metadata. Complaints about names follow the kind's rule.
void check_metadata(schema::Problems& out, const codec::Value& object, const schema::Kind& kind);
/// On an update; what the real server finds twice stands there twice.
void check_metadata_update(schema::Problems& out, const codec::Value& object,
                           const codec::Value& old, const schema::Kind& kind);
/// What is wrong with `text` as a DNS label, as the API server says it.
std::vector<std::string> dns_label_complaints(std::string_view text);
/// What is wrong with `text` as a qualified name ("prefix/name"), as the API server says it.
std::vector<std::string> qualified_name_complaints(std::string_view text);

// Pods.
void prepare_new_pod(codec::Value& pod);
void prepare_pod_update(codec::Value& pod, const codec::Value& old);
void prepare_pod_status(codec::Value& pod, const codec::Value& old);
void check_pod_update(schema::Problems& out, const codec::Value& pod, const codec::Value& old);
void check_pod_status(schema::Problems& out, const codec::Value& pod, const codec::Value& old);
/// The grace period that a delete of `pod` comes to [s].
std::int64_t pod_grace(const codec::Value& pod, std::optional<std::int64_t> wanted);

// Jobs and Deployments.
void prepare_new_job(codec::Value& job);
/// A Job without labels of its own has those of its pods, the generated ones included. (The real
/// server's defaults do that when it reads the new object, hence after validation.)
void settle_new_job(codec::Value& job);
void check_new_job(schema::Problems& out, const codec::Value& job);
void check_job_update(schema::Problems& out, const codec::Value& job, const codec::Value& old);
Problems check_job_status(const codec::Value& job, const codec::Value& old);
void check_deployment_status(schema::Problems& out, const codec::Value& deployment);

// Services.
void prepare_new_service(codec::Value& service, const Creation& creation);
void prepare_service_update(codec::Value& service, const codec::Value& old);
void check_new_service(schema::Problems& out, const codec::Value& service);
void check_service_update(schema::Problems& out, const codec::Value& service,
                          const codec::Value& old);

// Small kinds.
void merge_string_data(codec::Value& secret);
/// The credentials of a registry are JSON.
void check_docker_config(schema::Problems& out, const codec::Value& secret);
void check_immutable_data(schema::Problems& out, const codec::Value& object,
                          const codec::Value& old, std::initializer_list<std::string_view> members);
void check_lease(schema::Problems& out, const codec::Value& lease);
void check_revision(schema::Problems& out, const codec::Value& revision);
/// Events of either group; those of events.k8s.io have more rules.
void check_new_event(schema::Problems& out, const codec::Value& event, const schema::Kind& kind);
void check_event_update(schema::Problems& out, const codec::Value& event, const codec::Value& old,
                        const schema::Kind& kind);

}  // namespace millrace::apiserver
