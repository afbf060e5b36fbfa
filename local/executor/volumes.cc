#include "local/executor/volumes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace millrace::executor {
namespace {

namespace fs = std::filesystem;
using codec::Value;

const std::string& text_of(const Value& object, std::string_view key) {
  static const std::string empty;
  const Value* value = object.find(key);
  return value == nullptr ? empty : value->as_string();
}

int mode_of(const Value& object, std::string_view key, int fallback) {
  const Value* value = object.find(key);
  return value == nullptr ? fallback : static_cast<int>(value->as_int(fallback)) & 0777;
}

bool is_optional(const Value& object) {
  const Value* value = object.find("optional");
  return value != nullptr && value->as_bool();
}

/// The keys of a ConfigMap or Secret, or those that `items` picks, as files.
Result<void> add_keys(std::vector<VolumeFile>& out, Source source, const std::string& name,
                      const Value& reference, int mode, const Lookup& lookup) {
  const std::string kind = source == Source::Secret ? "Secret " : "ConfigMap ";
  const Result<KeyValues> data = lookup(source, name);
  if (!data.ok()) {
    if (data.error().code == Code::NotFound && is_optional(reference)) return {};
    return fail(Code::Invalid,
                kind + name + ": " + data.error().message + "; create it, or set optional: true");
  }
  const Value* items = reference.find("items");
  if (items == nullptr || items->empty()) {
    for (const auto& [key, bytes] : *data) {
      if (!is_safe_name(key)) {
        return fail(Code::Invalid, kind + name + ": key " + key + " cannot be a file's name");
      }
      out.push_back({key, bytes, mode});
    }
    return {};
  }
  for (const Value& item : items->items()) {
    const auto it = data->find(text_of(item, "key"));
    if (it == data->end()) {
      if (is_optional(reference)) continue;
      return fail(Code::Invalid, kind + name + " has no key " + text_of(item, "key") +
                                     "; add it, or set optional: true");
    }
    out.push_back({text_of(item, "path"), it->second, mode_of(item, "mode", mode)});
  }
  return {};
}

Result<void> add_fields(std::vector<VolumeFile>& out, const Value& downward, int mode,
                        const PodFacts& facts) {
  const Value* items = downward.find("items");
  if (items == nullptr) return {};
  for (const Value& item : items->items()) {
    VolumeFile file{text_of(item, "path"), {}, mode_of(item, "mode", mode)};
    if (const Value* field = item.find("fieldRef")) {
      MR_ASSIGN(file.bytes, field_value(facts, text_of(*field, "fieldPath")));
    } else if (const Value* resource = item.find("resourceFieldRef")) {
      const std::string& name = text_of(*resource, "containerName");
      const auto& all = facts.spec->containers;
      const auto it = std::find_if(all.begin(), all.end(),
                                   [&](const ContainerSpec& c) { return c.name == name; });
      if (it == all.end()) {
        return fail(Code::Invalid, "resourceFieldRef.containerName: no container " + name);
      }
      MR_ASSIGN(file.bytes, resource_value(facts, it->body, *resource));
    }
    out.push_back(std::move(file));
  }
  return {};
}

Result<void> add_projected(std::vector<VolumeFile>& out, const Value& projected,
                           const PodFacts& facts, const Lookup& lookup) {
  const int mode = mode_of(projected, "defaultMode", 0644);
  const Value* sources = projected.find("sources");
  if (sources == nullptr) return {};
  for (const Value& source : sources->items()) {
    if (const Value* part = source.find("configMap")) {
      MR_TRY(add_keys(out, Source::ConfigMap, text_of(*part, "name"), *part, mode, lookup));
    } else if (const Value* part2 = source.find("secret")) {
      MR_TRY(add_keys(out, Source::Secret, text_of(*part2, "name"), *part2, mode, lookup));
    } else if (const Value* part3 = source.find("downwardAPI")) {
      MR_TRY(add_fields(out, *part3, mode, facts));
    } else {
      return fail(Code::Invalid,
                  "projected: only configMap, secret and downwardAPI sources exist in local mode");
    }
  }
  return {};
}

Result<void> check_paths(const std::vector<VolumeFile>& files) {
  for (const VolumeFile& file : files) {
    if (!is_safe_path(file.path) || file.path.starts_with("..")) {
      return fail(Code::Invalid, "path " + file.path + ": must stay inside of the volume");
    }
  }
  return {};
}

tl::unexpected<Error> disk_error(const std::string& what) {
  return fail(Code::Unavailable, what + ": " + std::strerror(errno));
}

Result<void> make_folders(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return fail(Code::Unavailable, path + ": " + error.message());
  return {};
}

Result<void> write_file(const std::string& path, const VolumeFile& file) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return disk_error(path);
  std::size_t done = 0;
  while (done < file.bytes.size()) {
    const ssize_t n = ::write(fd, file.bytes.data() + done, file.bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      ::close(fd);
      return disk_error(path);
    }
    done += static_cast<std::size_t>(n);
  }
  ::fchmod(fd, static_cast<mode_t>(file.mode));
  ::close(fd);
  return {};
}

/// Files in `folder`/..v0, and links to them. Only the links' first parts stand in the folder.
Result<void> write_files(const std::vector<VolumeFile>& files, const std::string& folder) {
  const std::string data = folder + "/..v0";
  MR_TRY(make_folders(data));
  for (const VolumeFile& file : files) {
    const fs::path path = fs::path(data) / file.path;
    MR_TRY(make_folders(path.parent_path().string()));
    MR_TRY(write_file(path.string(), file));
  }
  std::error_code ignored;  // links that stand already, after a restart
  fs::create_directory_symlink("..v0", folder + "/..data", ignored);
  for (const VolumeFile& file : files) {
    const std::string first = fs::path(file.path).begin()->string();
    fs::create_symlink("..data/" + first, folder + "/" + first, ignored);
  }
  return {};
}

Result<std::string> host_folder(const VolumePlan& plan) {
  const std::string& type = plan.host_type;
  std::error_code ignored;
  if (type == "DirectoryOrCreate") MR_TRY(make_folders(plan.host_path));
  if (type == "FileOrCreate" && !fs::exists(plan.host_path, ignored)) {
    MR_TRY(write_file(plan.host_path, {{}, {}, 0644}));
  }
  const fs::file_status status = fs::status(plan.host_path, ignored);
  const bool fits = type.starts_with("Directory") ? fs::is_directory(status)
                    : type.starts_with("File")    ? fs::is_regular_file(status)
                                                  : fs::exists(status);
  if (!fits) {
    return fail(Code::Invalid, "hostPath " + plan.host_path + ": not there, or not a " +
                                   (type.empty() ? std::string("file or folder") : type));
  }
  return plan.host_path;
}

bool is_name_char(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.';
}

}  // namespace

Result<VolumePlan> plan_volume(const Value& volume, const PodFacts& facts,
                               const ContainerSpec* /*container*/, const Lookup& lookup) {
  VolumePlan plan;
  if (volume.find("emptyDir") != nullptr) return plan;
  plan.kind = VolumePlan::Kind::Files;
  if (const Value* map = volume.find("configMap")) {
    MR_TRY(add_keys(plan.files, Source::ConfigMap, text_of(*map, "name"), *map,
                    mode_of(*map, "defaultMode", 0644), lookup));
  } else if (const Value* secret = volume.find("secret")) {
    MR_TRY(add_keys(plan.files, Source::Secret, text_of(*secret, "secretName"), *secret,
                    mode_of(*secret, "defaultMode", 0644), lookup));
  } else if (const Value* projected = volume.find("projected")) {
    MR_TRY(add_projected(plan.files, *projected, facts, lookup));
  } else if (const Value* downward = volume.find("downwardAPI")) {
    MR_TRY(add_fields(plan.files, *downward, mode_of(*downward, "defaultMode", 0644), facts));
  } else if (const Value* host = volume.find("hostPath")) {
    plan.kind = VolumePlan::Kind::Host;
    plan.host_path = text_of(*host, "path");
    plan.host_type = text_of(*host, "type");
    const bool absolute = !plan.host_path.empty() && plan.host_path.front() == '/';
    if (!absolute || !is_safe_path("." + plan.host_path)) {
      return fail(Code::Invalid, "hostPath.path: must be absolute and without '..'");
    }
  } else {
    std::string kind = "nothing";
    for (const auto& [key, value] : volume.members()) {
      if (key != "name") kind = key;
    }
    return fail(Code::Invalid, kind + ": there is none in local mode; use emptyDir or hostPath");
  }
  MR_TRY(check_paths(plan.files));
  return plan;
}

Result<std::vector<Mount>> mounts_of(const ContainerSpec& container,
                                     const std::vector<std::pair<std::string, std::string>>& env,
                                     const std::map<std::string, std::string>& sources,
                                     const std::map<std::string, VolumePlan>& plans) {
  std::vector<Mount> out;
  const Value* list = container.body.find("volumeMounts");
  if (list == nullptr) return out;
  for (std::size_t i = 0; i < list->items().size(); ++i) {
    const Value& item = list->items()[i];
    const std::string at =
        "container " + container.name + ", volumeMounts[" + std::to_string(i) + "]";
    const std::string& name = text_of(item, "name");
    const auto source = sources.find(name);
    const auto plan = plans.find(name);
    if (source == sources.end() || plan == plans.end()) {
      return fail(Code::Invalid, at + ".name: the pod has no volume " + name);
    }
    Mount mount{source->second, text_of(item, "mountPath"), false};
    if (mount.target.empty()) return fail(Code::Invalid, at + ".mountPath: must not be empty");
    if (mount.target.front() != '/') mount.target.insert(0, "/");  // as container runtimes do
    while (mount.target.size() > 1 && mount.target.back() == '/') mount.target.pop_back();
    if (!is_safe_path("." + mount.target) || mount.target == "/") {
      return fail(Code::Invalid, at + ".mountPath: must not be '/' or contain '..'");
    }
    std::string sub = text_of(item, "subPath");
    if (const std::string& expression = text_of(item, "subPathExpr"); !expression.empty()) {
      sub = expand(expression, {env.begin(), env.end()});
    }
    if (!sub.empty()) {
      if (!is_safe_path(sub)) {
        return fail(Code::Invalid, at + ".subPath: must be relative and without '..'");
      }
      mount.source += "/" + sub;
    }
    const Value* read_only = item.find("readOnly");
    mount.read_only = plan->second.kind == VolumePlan::Kind::Files ||
                      (read_only != nullptr && read_only->as_bool());
    out.push_back(std::move(mount));
  }
  return out;
}

Result<std::string> write_volume(const VolumePlan& plan, const std::string& folder) {
  if (plan.kind == VolumePlan::Kind::Host) return host_folder(plan);
  MR_TRY(make_folders(folder));
  if (plan.kind == VolumePlan::Kind::Folder) {
    ::chmod(folder.c_str(), 0777);
  } else {
    MR_TRY(write_files(plan.files, folder));
  }
  return folder;
}

Result<void> prepare_mount(const Mount& mount) {
  std::error_code ignored;
  if (fs::exists(mount.source, ignored) || mount.read_only) return {};
  return make_folders(mount.source);
}

std::string rewrite_paths(std::string_view text, const std::vector<Mount>& mounts) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const Mount* best = nullptr;
    const bool begins = i == 0 || (!is_name_char(text[i - 1]) && text[i - 1] != '/');
    for (const Mount& mount : mounts) {
      if (!begins || !text.substr(i).starts_with(mount.target)) continue;
      const std::size_t end = i + mount.target.size();
      if (end < text.size() && is_name_char(text[end])) continue;
      if (best == nullptr || mount.target.size() > best->target.size()) best = &mount;
    }
    if (best == nullptr) {
      out += text[i++];
    } else {
      out += best->source;
      i += best->target.size();
    }
  }
  return out;
}

}  // namespace millrace::executor
