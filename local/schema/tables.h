/// The built-in types as text, one table per topic.
///
/// Lines: `@ core.v1` names the package of the types that follow; `Name [atomic] -- doc` begins a
/// type; ` name[!] TYPE[?] FLAGS -- doc` (indented) is one of its fields. `!`: required. TYPE: a
/// scalar (bool, int32, int64, string, number, quantity, intorstring, time, microtime, bytes, raw),
/// a type's name, `[ITEM]` for lists, `{VALUE}` for maps, and `:Name` for the name it has in Go.
/// `?`: stays as it was given, also when zero. FLAGS: `merge[=KEY]`, `key=KEY`, `retain` (strategic
/// merge), `map=KEYS`, `set`, `atomic` (server-side apply), `enum=A|B`, `=JSON` (default), `always`
/// and `omit` (written also when not given; not when zero).
#pragma once

#include <string_view>

namespace millrace::schema {

extern const std::string_view kMetaTable;
extern const std::string_view kCoreTable;
extern const std::string_view kPodTable;
extern const std::string_view kContainerTable;
extern const std::string_view kVolumeTable;
extern const std::string_view kNodeTable;
extern const std::string_view kWorkloadTable;
extern const std::string_view kRequestTable;

/// The fields' numbers in protobuf: `@ core.v1` as above, then `Type: field=NUMBER ...`, where
/// `field=OUTER.NUMBER` stands in a message of its own. Words apart by spaces and line ends.
extern const std::string_view kNumbersTable;

}  // namespace millrace::schema
