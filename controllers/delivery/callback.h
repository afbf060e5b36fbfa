/// Which addresses a run may report its end to.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace millrace::delivery {

/// Empty when `url` may be called, else why not. It must be an http or https URL without user
/// name, at most 2048 bytes, whose host is in `hosts`. An entry is a host (`ci.example.org`), with
/// a port where only that one is meant (`10.0.0.5:8080`), all names below a domain
/// (`*.example.org`), or `*`. IPv6 addresses stand in brackets.
std::string callback_problem(std::string_view url, const std::vector<std::string>& hosts);

}  // namespace millrace::delivery
