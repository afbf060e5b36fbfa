#include "local/executor/spawn_wire.h"

#include <cstring>

namespace millrace::executor {
namespace {

void put(std::string& out, std::uint32_t number) {
  out.append(reinterpret_cast<const char*>(&number), sizeof number);
}

void put(std::string& out, const std::string& text) {
  put(out, static_cast<std::uint32_t>(text.size()));
  out += text;
}

void put(std::string& out, const std::vector<std::string>& list) {
  put(out, static_cast<std::uint32_t>(list.size()));
  for (const std::string& item : list) put(out, item);
}

/// Takes values off the front; `bad` stays set once something was missing.
struct Source {
  std::string_view rest;
  bool bad = false;

  std::uint32_t number() {
    std::uint32_t out = 0;
    if (rest.size() < sizeof out) {
      bad = true;
      return 0;
    }
    std::memcpy(&out, rest.data(), sizeof out);
    rest.remove_prefix(sizeof out);
    return out;
  }
  std::string text() {
    const std::size_t size = number();
    if (bad || size > rest.size()) {
      bad = true;
      return {};
    }
    std::string out(rest.substr(0, size));
    rest.remove_prefix(size);
    return out;
  }
  std::vector<std::string> list() {
    std::vector<std::string> out;
    for (std::uint32_t left = number(); left > 0 && !bad; --left) out.push_back(text());
    return out;
  }
};

}  // namespace

std::string encode(const SpawnRequest& request) {
  std::string out;
  put(out, request.argv);
  put(out, request.environment);
  put(out, request.working_dir);
  put(out, request.root);
  put(out, static_cast<std::uint32_t>(request.mounts.size()));
  for (const Mount& mount : request.mounts) {
    put(out, mount.source);
    put(out, mount.target);
    put(out, mount.read_only ? 1U : 0U);
  }
  return out;
}

Result<SpawnRequest> decode_request(std::string_view bytes) {
  Source source{bytes};
  SpawnRequest out;
  out.argv = source.list();
  out.environment = source.list();
  out.working_dir = source.text();
  out.root = source.text();
  for (std::uint32_t left = source.number(); left > 0 && !source.bad; --left) {
    Mount mount;
    mount.source = source.text();
    mount.target = source.text();
    mount.read_only = source.number() != 0;
    out.mounts.push_back(std::move(mount));
  }
  if (source.bad || !source.rest.empty()) return fail(Code::Malformed, "spawn request cut short");
  return out;
}

}  // namespace millrace::executor
