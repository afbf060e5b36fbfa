/// The environment and command of a container. Pure.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kubeclient/codec/value.h"
#include "local/executor/pod_spec.h"

namespace millrace::executor {

/// The data of a ConfigMap or Secret, decoded.
using KeyValues = std::map<std::string, std::string>;
enum class Source { ConfigMap, Secret };
/// Gives the data of an object of the pod's namespace. Errors: NotFound, and what the API says.
using Lookup = std::function<Result<KeyValues>(Source, const std::string& name)>;

/// What `valueFrom` and volumes may ask about.
struct PodFacts {
  const PodMeta* meta = nullptr;
  const PodSpec* spec = nullptr;
  std::string node_name;
  std::string ip = "127.0.0.1";
  int cpus = 1;
  std::int64_t memory = 0;  ///< of the machine [bytes]
};

/// The data of a ConfigMap or Secret as the API gives it. Errors: Malformed.
Result<KeyValues> data_of(Source source, const codec::Value& object);

/// The value of a fieldRef path, e.g. "metadata.labels['app']". Errors: Invalid.
Result<std::string> field_value(const PodFacts& facts, std::string_view path);
/// The value of a resourceFieldRef in `container`. Errors: Invalid.
Result<std::string> resource_value(const PodFacts& facts, const codec::Value& container,
                                   const codec::Value& reference);
/// A Kubernetes quantity as a number: "500m" is 0.5, "1Ki" is 1024. Errors: Invalid.
Result<double> parse_quantity(std::string_view text);

/// `$(NAME)` replaced by what `values` has; `$$` is a dollar sign; what is not known stays.
std::string expand(std::string_view text, const KeyValues& values);

/// The variables of a container in order, later ones beating earlier ones: `base`, envFrom, env.
/// Errors: Invalid, with the field and the cure.
Result<std::vector<std::pair<std::string, std::string>>> environment_of(
    const PodFacts& facts, const ContainerSpec& container,
    const std::vector<std::pair<std::string, std::string>>& base, const Lookup& lookup);

/// command and args, expanded; without a command, `entry_point` as it is.
struct Command {
  std::vector<std::string> command;
  std::vector<std::string> args;
};
Command command_of(const ContainerSpec& container,
                   const std::vector<std::pair<std::string, std::string>>& environment,
                   const std::vector<std::string>& entry_point = {});

}  // namespace millrace::executor
