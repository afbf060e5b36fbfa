#include "local/executor/sandbox.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>

namespace millrace::executor {
namespace {

namespace fs = std::filesystem;

/// The mounts as a tree of path parts.
struct Node {
  std::map<std::string, Node> children;
  const Mount* mount = nullptr;
};

std::string failed(const std::string& what) { return what + ": " + std::strerror(errno); }

bool write_file(const char* path, const std::string& text) {
  const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool good = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::close(fd);
  return good;
}

std::string enter_namespaces() {
  const std::string uid = std::to_string(::geteuid());
  const std::string gid = std::to_string(::getegid());
  if (::unshare(CLONE_NEWNS) == 0) return {};
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return failed("new namespaces");
  write_file("/proc/self/setgroups", "deny");
  if (!write_file("/proc/self/uid_map", uid + " " + uid + " 1")) return failed("uid_map");
  if (!write_file("/proc/self/gid_map", gid + " " + gid + " 1")) return failed("gid_map");
  return {};
}

enum class EntryType { None, Folder, Link, Other };

EntryType type_of(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return EntryType::None;
  if (S_ISDIR(info.st_mode)) return EntryType::Folder;
  return S_ISLNK(info.st_mode) ? EntryType::Link : EntryType::Other;
}

bool make_point(const std::string& path, EntryType type) {
  if (type == EntryType::Folder) return ::mkdir(path.c_str(), 0755) == 0 || errno == EEXIST;
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return type_of(path) == EntryType::Other;
  ::close(fd);
  return true;
}

/// Show `from`, an entry of this machine, at `to`. What cannot be shown is left out: the process
/// might never look for it.
void show(const std::string& from, const std::string& to) {
  const EntryType type = type_of(from);
  if (type == EntryType::Link) {
    char target[4096];
    const ssize_t length = ::readlink(from.c_str(), target, sizeof target - 1);
    if (length <= 0) return;
    target[length] = '\0';
    if (::symlink(target, to.c_str()) != 0) return;
  } else if (type != EntryType::None && make_point(to, type)) {
    if (::mount(from.c_str(), to.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0 &&
        type == EntryType::Other) {
      ::unlink(to.c_str());
    }
  }
}

/// Consoles and the like, of which /dev has hundreds and a pod needs none; each would cost a mount.
bool is_spare_device(std::string_view folder, std::string_view name) {
  if (folder != "/dev") return false;
  const auto numbered = [&](std::string_view prefix) {
    return name.starts_with(prefix) && name.size() > prefix.size();
  };
  return numbered("tty") || numbered("vcs") || numbered("loop") || numbered("ram") ||
         numbered("nbd");
}

std::string make_read_only(const std::string& path) {
  struct statvfs info {};
  if (::statvfs(path.c_str(), &info) != 0) return failed("statvfs of " + path);
  unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY;  // a user namespace must keep the rest
  if ((info.f_flag & ST_NOSUID) != 0) flags |= MS_NOSUID;
  if ((info.f_flag & ST_NODEV) != 0) flags |= MS_NODEV;
  if ((info.f_flag & ST_NOEXEC) != 0) flags |= MS_NOEXEC;
  if ((info.f_flag & ST_NOATIME) != 0) flags |= MS_NOATIME;
  if ((info.f_flag & ST_RELATIME) != 0) flags |= MS_RELATIME;
  if (::mount(nullptr, path.c_str(), nullptr, flags, nullptr) != 0) {
    return failed("make read-only " + path);
  }
  return {};
}

std::string place(const std::string& host, const std::string& path, const Node& node);

/// The mounts below `path`, which shows a folder that is not ours to restructure.
std::string place_inside(const std::string& host, const std::string& path, const Node& node) {
  for (const auto& [name, child] : node.children) {
    const std::string point = path + "/" + name;
    if (child.mount == nullptr && !make_point(point, EntryType::Folder)) {
      return failed("make folder " + name + " for a volume");
    }
    const std::string error = child.mount != nullptr
                                  ? place(host + "/" + name, point, child)
                                  : place_inside(host + "/" + name, point, child);
    if (!error.empty()) return error;
  }
  return {};
}

/// True when all mount points below exist already, so that `host` can be shown as a whole.
bool has_points(const std::string& host, const Node& node) {
  return std::all_of(node.children.begin(), node.children.end(), [&](const auto& entry) {
    const std::string path = host + "/" + entry.first;
    const EntryType type = type_of(path);
    if (type == EntryType::None || type == EntryType::Link) return false;
    if (entry.second.mount == nullptr) {
      return type == EntryType::Folder && has_points(path, entry.second);
    }
    return (type == EntryType::Folder) ==
           (type_of(entry.second.mount->source) == EntryType::Folder);
  });
}

/// Fill `path`, a folder on our tmpfs: the entries of `host`, and `node`'s children instead or in
/// addition.
std::string fill(const std::string& host, const std::string& path, const Node& node) {
  if (DIR* dir = ::opendir(host.empty() ? "/" : host.c_str())) {
    while (const dirent* entry = ::readdir(dir)) {
      const std::string name = entry->d_name;
      if (name == "." || name == ".." || node.children.contains(name)) continue;
      if (is_spare_device(host, name)) continue;
      show(host + "/" + name, path + "/" + name);
    }
    ::closedir(dir);
  } else if (errno != ENOENT) {
    return failed("read " + host);
  }
  for (const auto& [name, child] : node.children) {
    const std::string error = place(host + "/" + name, path + "/" + name, child);
    if (!error.empty()) return error;
  }
  return {};
}

/// Make `path`, whose folder can be written, show what `node` says.
std::string place(const std::string& host, const std::string& path, const Node& node) {
  if (node.mount != nullptr) {
    const std::string& source = node.mount->source;
    const EntryType type = type_of(source);
    if (type == EntryType::None) return failed("volume for " + node.mount->target);
    if (!make_point(path, type)) return failed("make mount point " + node.mount->target);
    if (::mount(source.c_str(), path.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) {
      return failed("mount " + node.mount->target);
    }
    std::string error = place_inside(host, path, node);
    if (error.empty() && node.mount->read_only) error = make_read_only(path);
    return error;
  }
  if (!make_point(path, EntryType::Folder)) return failed("make folder " + path);
  if (!host.empty() && has_points(host, node)) {
    show(host, path);
    return place_inside(host, path, node);
  }
  return fill(host, path, node);
}

/// Symbolic links of this machine in a target are followed first: /var/run is /run.
Node tree_of(const std::vector<Mount>& mounts) {
  Node top;
  for (const Mount& mount : mounts) {
    std::error_code error;
    const fs::path target = fs::weakly_canonical(mount.target, error);
    Node* node = &top;
    for (const fs::path& part : (error ? fs::path(mount.target) : target).relative_path()) {
      if (!part.empty()) node = &node->children[part.string()];
    }
    if (node != &top) node->mount = &mount;
  }
  return top;
}

}  // namespace

std::string enter_sandbox(const std::string& root, const std::vector<Mount>& mounts) {
  const Node tree = tree_of(mounts);
  if (std::string error = enter_namespaces(); !error.empty()) return error;
  // What happens on this machine is seen inside, not the other way round.
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) return failed("slave /");
  if (::mount("tmpfs", root.c_str(), "tmpfs", 0, "mode=0755,size=16m") != 0) {
    return failed("mount a tmpfs");
  }
  // Unbindable: showing the folder around it must not copy the half-built root into itself.
  if (::mount(nullptr, root.c_str(), nullptr, MS_UNBINDABLE, nullptr) != 0) {
    return failed("make unbindable");
  }
  const mode_t mask = ::umask(0);
  std::string error = fill("", root, tree);
  ::umask(mask);
  if (!error.empty()) return error;
  if (::chdir(root.c_str()) != 0) return failed("enter the new root");
  if (::syscall(SYS_pivot_root, ".", ".") != 0) return failed("pivot_root");
  if (::umount2(".", MNT_DETACH) != 0) return failed("leave the old root");
  if (::chdir("/") != 0) return failed("enter /");
  return {};
}

}  // namespace millrace::executor
