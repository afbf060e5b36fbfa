#include <algorithm>

#include "local/schema/checks.h"
#include "local/schema/names.h"
#include "local/schema/quantity.h"

namespace millrace::schema {
namespace {

using codec::Value;

void check_relative(Problems& problems, const Path& path, const Value& text) {
  const std::string& place = text.as_string();
  if (place.empty()) return problems.required(path);
  if (place.front() == '/') problems.invalid(path, text, "must be a relative path");
  std::string rest = "/" + place + "/";
  if (rest.find("/../") != std::string::npos) problems.invalid(path, text, "must not contain '..'");
}

void check_mode(Problems& problems, const Path& path, const Value& mode) {
  if (mode.is_null() || (mode.as_int() >= 0 && mode.as_int() <= 0777)) return;
  problems.invalid(path, mode, "must be a number between 0 and 0777 (octal), both inclusive");
}

void check_items(Problems& problems, const Path& path, const Value& source) {
  std::size_t index = 0;
  for (const Value& item : at(source, "items").items()) {
    const Path place = (path / "items")[index++];
    if (at(item, "key").as_string().empty()) problems.required(place / "key");
    check_relative(problems, place / "path", at(item, "path"));
    check_mode(problems, place / "mode", at(item, "mode"));
  }
}

void check_downward(Problems& problems, const Path& path, const Value& source) {
  static const std::vector<std::string> fields = {"metadata.annotations", "metadata.labels",
                                                  "metadata.name", "metadata.namespace",
                                                  "metadata.uid"};
  check_mode(problems, path / "defaultMode", at(source, "defaultMode"));
  for (const Value& item : at(source, "items").items()) {
    check_relative(problems, path / "path", at(item, "path"));
    const Value& field = at(item, "fieldRef");
    if (field.is_null() && at(item, "resourceFieldRef").is_null()) {
      problems.required(path, "one of fieldRef and resourceFieldRef is required");
    } else if (!field.is_null()) {
      const Value& name = at(field, "fieldPath");
      const std::string plain = name.as_string().substr(0, name.as_string().find('['));
      if (std::find(fields.begin(), fields.end(), plain) == fields.end()) {
        problems.unsupported(path / "fieldRef" / "fieldPath", name, fields);
      }
    }
    check_mode(problems, path / "mode", at(item, "mode"));
  }
}

void check_named_source(Problems& problems, const Path& path, const Value& source,
                        std::string_view name) {
  if (at(source, name).as_string().empty()) problems.required(path / name);
  check_mode(problems, path / "defaultMode", at(source, "defaultMode"));
  check_items(problems, path, source);
}

void check_projection(Problems& problems, const Path& path, const Value& source) {
  bool first = true;
  for (const auto& [kind, content] : source.members()) {
    if (!first)
      return problems.forbidden(path, "may not specify more than 1 volume type per source");
    first = false;
    const Path place = path / kind;
    if (kind == "secret" || kind == "configMap") {
      check_named_source(problems, place, content, "name");
    } else if (kind == "downwardAPI") {
      check_downward(problems, place, content);
    } else if (kind == "serviceAccountToken") {
      constexpr std::int64_t kShortest = 600;
      const Value& seconds = at(content, "expirationSeconds");
      if (!seconds.is_null() && seconds.as_int() < kShortest) {
        problems.invalid(place / "expirationSeconds", seconds,
                         "may not specify a duration less than 10 minutes");
      }
      check_relative(problems, place / "path", at(content, "path"));
    }
  }
}

void check_host_path(Problems& problems, const Path& path, const Value& source) {
  static const std::vector<std::string> types = {
      "",     "BlockDevice",  "CharDevice", "Directory", "DirectoryOrCreate",
      "File", "FileOrCreate", "Socket"};
  const Value& place = at(source, "path");
  if (place.as_string().empty()) problems.required(path / "path");
  if (("/" + place.as_string() + "/").find("/../") != std::string::npos) {
    problems.invalid(path / "path", place, "must not contain '..'");
  }
  const Value& type = at(source, "type");
  if (std::find(types.begin(), types.end(), type.as_string()) == types.end()) {
    problems.unsupported(path / "type", type, types);
  }
}

void check_source(Problems& problems, const Path& path, const std::string& kind,
                  const Value& source) {
  if (kind == "configMap") {
    check_named_source(problems, path, source, "name");
  } else if (kind == "secret") {
    check_named_source(problems, path, source, "secretName");
  } else if (kind == "downwardAPI") {
    check_downward(problems, path, source);
  } else if (kind == "hostPath") {
    check_host_path(problems, path, source);
  } else if (kind == "persistentVolumeClaim") {
    if (at(source, "claimName").as_string().empty()) problems.required(path / "claimName");
  } else if (kind == "emptyDir") {
    const Value& limit = at(source, "sizeLimit");
    const Result<Quantity> size = parse_quantity(limit.as_string());
    if (!limit.is_null() && size.ok() && size->nano < 0) {
      problems.forbidden(path / "sizeLimit", "SizeLimit field must be a valid resource quantity");
    }
  } else if (kind == "projected") {
    check_mode(problems, path / "defaultMode", at(source, "defaultMode"));
    std::size_t index = 0;
    for (const Value& part : at(source, "sources").items()) {
      check_projection(problems, (path / "sources")[index++], part);
    }
  } else if (kind == "nfs") {
    if (at(source, "server").as_string().empty()) problems.required(path / "server");
    if (at(source, "path").as_string().empty()) problems.required(path / "path");
  }
}

/// The order in which the real server looks for a second source.
std::vector<std::string> sources_of(const Value& volume) {
  static const std::vector<std::string> early = {
      "emptyDir", "hostPath",   "gitRepo",   "gcePersistentDisk", "awsElasticBlockStore",
      "secret",   "nfs",        "iscsi",     "glusterfs",         "flocker",
      "rbd",      "cinder",     "cephfs",    "quobyte",           "downwardAPI",
      "fc",       "flexVolume", "configMap", "azureFile",         "vsphereVolume"};
  std::vector<std::string> found;
  for (const std::string& kind : early) {
    if (!at(volume, kind).is_null()) found.push_back(kind);
  }
  for (const auto& [kind, source] : volume.members()) {
    const bool known = std::find(early.begin(), early.end(), kind) != early.end();
    if (kind != "name" && !known) found.push_back(kind);
  }
  return found;
}

}  // namespace

void check_volumes(Problems& problems, const Path& path, const Value& volumes, PodNames& names) {
  std::size_t index = 0;
  for (const Value& volume : volumes.items()) {
    const Path place = path[index++];
    const Value& name = at(volume, "name");
    const std::size_t before = problems.list().size();
    bool first = true;
    for (const std::string& kind : sources_of(volume)) {
      if (first) {
        check_source(problems, place / kind, kind, at(volume, kind));
      } else {
        problems.forbidden(place / kind, "may not specify more than 1 volume type");
      }
      first = false;
    }
    if (name.as_string().empty()) {
      problems.required(place / "name");
    } else {
      add_faults(problems, place / "name", name, dns_label_faults(name.as_string()));
    }
    if (names.volumes.count(name.as_string()) > 0) {
      problems.duplicate(place / "name", name);
    } else if (problems.list().size() == before) {
      names.volumes.insert(name.as_string());
    }
  }
}

}  // namespace millrace::schema
