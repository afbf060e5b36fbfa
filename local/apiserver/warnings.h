/// What the server does as asked, but tells the client is a bad idea (`Warning` headers).
#pragma once

#include <string>
#include <vector>

#include "kubeclient/codec/value.h"
#include "local/schema/kinds.h"

namespace millrace::apiserver {

/// About an object that is about to be stored; `old` is null for a new one.
std::vector<std::string> write_warnings(const codec::Value& object, const codec::Value* old,
                                        const schema::Kind& kind);

/// Which words are used for owners that were merged.
enum class Sent { Whole, AsPatch };
/// Leave one of each of the owners that are there more than once, and say so.
void merge_owners(codec::Value& object, Sent sent, std::vector<std::string>& warnings);

}  // namespace millrace::apiserver
