/// Volumes of a pod as folders: what is in them (pure), and writing them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "local/executor/environment.h"
#include "local/executor/spawn_wire.h"

namespace millrace::executor {

struct VolumeFile {
  std::string path;  ///< below the volume; safe
  std::string bytes;
  int mode = 0644;
  bool operator==(const VolumeFile&) const = default;
};

/// What one volume is made of.
struct VolumePlan {
  enum class Kind { Folder, Files, Host } kind = Kind::Folder;
  std::string host_path;          ///< Host
  std::string host_type;          ///< Host: "", "Directory", "DirectoryOrCreate", "File", ...
  std::vector<VolumeFile> files;  ///< Files
};

/// Errors: Invalid, with the cause and the cure: of kinds that there are not here, of ConfigMaps
/// and Secrets that are missing, of paths that lead out of the volume.
Result<VolumePlan> plan_volume(const codec::Value& volume, const PodFacts& facts,
                               const ContainerSpec* container, const Lookup& lookup);

/// The volumeMounts of a container; `sources` has the folder of each volume, `plans` its kind.
/// Errors: Invalid (volume not declared, bad mountPath or subPath).
Result<std::vector<Mount>> mounts_of(const ContainerSpec& container,
                                     const std::vector<std::pair<std::string, std::string>>& env,
                                     const std::map<std::string, std::string>& sources,
                                     const std::map<std::string, VolumePlan>& plans);

/// Make the volume in `folder` (not for Host) and give the path to mount. Files stand behind a
/// link `..data`, as kubelets do it, so that new content can take their place at once. Errors:
/// Unavailable (disk), Invalid (hostPath of another type).
Result<std::string> write_volume(const VolumePlan& plan, const std::string& folder);
/// Make the folders that a subPath names.
Result<void> prepare_mount(const Mount& mount);

/// `text` with each path of `mounts` replaced by the folder behind it, for processes that cannot
/// have mounts of their own. A path counts only where it stands as a whole. Pure.
std::string rewrite_paths(std::string_view text, const std::vector<Mount>& mounts);

}  // namespace millrace::executor
