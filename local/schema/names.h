/// Rules on names, in the API server's words. Source: Kubernetes, apimachinery/pkg/util/validation.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kubeclient/codec/value.h"
#include "local/schema/problems.h"

namespace millrace::schema {

/// What is wrong with a text; empty: nothing.
using Faults = std::vector<std::string>;

Faults dns_label_faults(std::string_view text);       ///< "my-name"
Faults dns_1035_faults(std::string_view text);        ///< "my-name", beginning with a letter
Faults dns_subdomain_faults(std::string_view text);   ///< "my.name"
Faults qualified_name_faults(std::string_view text);  ///< label keys, "example.com/name"
Faults label_value_faults(std::string_view text);
Faults config_key_faults(std::string_view text);
Faults env_name_faults(std::string_view text);
Faults port_name_faults(std::string_view text);

/// Add an Invalid problem for each fault of `value`.
void add_faults(Problems& problems, const Path& path, const codec::Value& value,
                const Faults& faults);
/// A whole number, when it is given: `least` is 0 or 1.
void check_at_least(Problems& problems, const Path& path, const codec::Value& number,
                    std::int64_t least);
/// 1..65535.
void check_port(Problems& problems, const Path& path, const codec::Value& number);
/// Texts that must be one of a few; absent ones are left alone.
void check_choice(Problems& problems, const Path& path, const codec::Value& value,
                  const std::vector<std::string>& choices);
/// A port by number or by name.
void check_port_or_name(Problems& problems, const Path& path, const codec::Value& port);
/// A map of labels, as `path` names it.
void check_labels(Problems& problems, const Path& path, const codec::Value& labels);
/// A metav1.LabelSelector.
void check_selector(Problems& problems, const Path& path, const codec::Value& selector);
/// Whether the selector is well-formed and matches the labels.
bool selector_matches(const codec::Value& selector, const codec::Value& labels);
/// Whether the text is an IPv4 or IPv6 address.
bool is_address(std::string_view text);

/// The member, or null when it is absent or `value` is no object.
const codec::Value& at(const codec::Value& value, std::string_view name);

}  // namespace millrace::schema
