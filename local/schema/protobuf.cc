#include "local/schema/protobuf.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <utility>

#include "kubeclient/base/json_quote.h"
#include "local/schema/kinds.h"
#include "local/schema/scalars.h"

namespace millrace::schema {
namespace {

using codec::Value;

constexpr std::string_view kMagic("k8s\0", 4);
constexpr std::size_t kDeepest = 128;  ///< as Value::parse, which must read it again
constexpr std::uint64_t kLongest = 0x7fffffffffffffff;

enum WireType : std::uint32_t {
  kVarint = 0,
  kFixed64 = 1,
  kBytes = 2,
  kGroup = 3,
  kGroupEnd = 4,
  kFixed32 = 5,
};

struct Tag {
  std::uint32_t number = 0;
  std::uint32_t type = 0;
};

auto truncated() { return fail(Code::Malformed, "unexpected EOF"); }

/// Takes the parts of a message off its bytes.
class Wire {
 public:
  explicit Wire(std::string_view bytes) : rest_(bytes) {}

  bool done() const { return rest_.empty(); }

  Result<std::uint64_t> varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) return truncated();
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
      if (byte < 0x80) return value;
    }
    return fail(Code::Malformed, "proto: integer overflow");
  }

  Result<std::string_view> bytes() {
    MR_ASSIGN(const std::uint64_t length, varint());
    if (length > kLongest) {
      return fail(Code::Malformed, "proto: negative length found during unmarshaling");
    }
    return take(length);
  }

  /// `message` is the name for complaints.
  Result<Tag> tag(std::string_view message) {
    MR_ASSIGN(const std::uint64_t value, varint());
    const Tag tag{static_cast<std::uint32_t>(value >> 3), static_cast<std::uint32_t>(value & 7)};
    if (tag.type == kGroupEnd) {
      return fail(Code::Malformed,
                  "proto: " + std::string(message) + ": wiretype end group for non-group");
    }
    if (static_cast<std::int32_t>(tag.number) <= 0) {
      return fail(Code::Malformed, "proto: " + std::string(message) + ": illegal tag " +
                                       std::to_string(static_cast<std::int32_t>(tag.number)) +
                                       " (wire type " + std::to_string(value) + ")");
    }
    return tag;
  }

  /// Pass over what follows a tag; groups with all that is in them.
  Result<void> skip(std::uint32_t type) {
    std::size_t open = 0;
    while (true) {
      if (type == kVarint) {
        MR_TRY(varint());
      } else if (type == kBytes) {
        MR_TRY(bytes());
      } else if (type == kFixed64 || type == kFixed32) {
        MR_TRY(take(type == kFixed64 ? 8 : 4));
      } else if (type == kGroup) {
        ++open;
      } else if (type == kGroupEnd) {
        if (open == 0) return fail(Code::Malformed, "proto: unexpected end of group");
        --open;
      } else {
        return fail(Code::Malformed, "proto: illegal wireType " + std::to_string(type));
      }
      if (open == 0) return {};
      MR_ASSIGN(const std::uint64_t next, varint());
      type = static_cast<std::uint32_t>(next & 7);
    }
  }

 private:
  Result<std::string_view> take(std::uint64_t length) {
    if (length > rest_.size()) return truncated();
    const std::string_view taken = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return taken;
  }

  std::string_view rest_;
};

Result<void> expect(const Tag& tag, std::uint32_t type, std::string_view field) {
  if (tag.type == type) return {};
  // Go's field names begin in upper case.
  std::string name(field);
  if (!name.empty() && name.front() >= 'a') name.front() = static_cast<char>(name.front() - 32);
  return fail(Code::Malformed,
              "proto: wrong wireType = " + std::to_string(tag.type) + " for field " + name);
}

std::string repaired(std::string_view bytes) {
  std::string text(bytes);
  repair_utf8(text);
  return text;
}

/// A message that holds one string as its field 1, or nothing.
Result<std::string> read_wrapped(std::string_view bytes, std::string_view message,
                                 std::string_view field) {
  std::string text;
  Wire wire(bytes);
  while (!wire.done()) {
    MR_ASSIGN(const Tag tag, wire.tag(message));
    if (tag.number != 1) {
      MR_TRY(wire.skip(tag.type));
      continue;
    }
    MR_TRY(expect(tag, kBytes, field));
    MR_ASSIGN(text, wire.bytes());
  }
  return text;
}

/// RFC 3339; of any year from 0 to 9999, which is more than `Time` can hold.
Result<Value> time_text(std::int64_t seconds, std::int64_t micros, bool micro) {
  constexpr std::int64_t kDay = 86400;
  constexpr std::int64_t kFirst = -62167219200;  // year 0
  constexpr std::int64_t kLast = 253402300799;   // year 9999
  if (seconds < kFirst || seconds > kLast) {
    return fail(Code::Malformed, "Time.MarshalJSON: year outside of range [0,9999]");
  }
  const std::int64_t days = seconds >= 0 ? seconds / kDay : (seconds - kDay + 1) / kDay;
  const std::int64_t rest = seconds - days * kDay;
  const std::chrono::year_month_day date{
      std::chrono::sys_days(std::chrono::days(static_cast<int>(days)))};
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(rest / 3600), static_cast<int>(rest / 60 % 60),
                static_cast<int>(rest % 60));
  std::string out = text;
  if (micro) {
    std::snprintf(text, sizeof text, ".%06d", static_cast<int>(micros));
    out += text;
  }
  return Value(out + "Z");
}

/// Null for no time at all. metav1.Time drops the fraction, MicroTime keeps microseconds.
Result<Value> read_time(std::string_view bytes, bool micro) {
  if (bytes.empty()) return Value();
  std::int64_t seconds = 0;
  std::int32_t nanos = 0;
  Wire wire(bytes);
  while (!wire.done()) {
    MR_ASSIGN(const Tag tag, wire.tag("Timestamp"));
    if (tag.number != 1 && tag.number != 2) {
      MR_TRY(wire.skip(tag.type));
      continue;
    }
    MR_TRY(expect(tag, kVarint, tag.number == 1 ? "seconds" : "nanos"));
    MR_ASSIGN(const std::uint64_t value, wire.varint());
    if (tag.number == 1) seconds = static_cast<std::int64_t>(value);
    if (tag.number == 2) nanos = static_cast<std::int32_t>(value);
  }
  if (nanos < 0 || nanos > 999999999) nanos = 0;
  return time_text(seconds, nanos / 1000, micro);
}

Result<Value> read_int_or_string(std::string_view bytes) {
  std::int64_t type = 0;
  std::int32_t number = 0;
  std::string text;
  Wire wire(bytes);
  while (!wire.done()) {
    MR_ASSIGN(const Tag tag, wire.tag("IntOrString"));
    if (tag.number == 3) {
      MR_TRY(expect(tag, kBytes, "StrVal"));
      MR_ASSIGN(const std::string_view value, wire.bytes());
      text = repaired(value);
    } else if (tag.number == 1 || tag.number == 2) {
      MR_TRY(expect(tag, kVarint, tag.number == 1 ? "Type" : "IntVal"));
      MR_ASSIGN(const std::uint64_t value, wire.varint());
      if (tag.number == 1) type = static_cast<std::int64_t>(value);
      if (tag.number == 2) number = static_cast<std::int32_t>(value);
    } else {
      MR_TRY(wire.skip(tag.type));
    }
  }
  if (type == 0) return Value(number);
  if (type == 1) return Value(std::move(text));
  return fail(Code::Malformed, "impossible IntOrString.Type");
}

/// JSON that is carried as bytes (RawExtension, FieldsV1).
Result<Value> read_raw(std::string_view bytes) {
  MR_ASSIGN(const std::string text, read_wrapped(bytes, "RawExtension", "raw"));
  if (text.empty()) return Value();
  return Value::parse(text);
}

/// Whether a value of this type comes as a number.
bool is_varint(const Type& type) {
  return type.shape == Shape::Boolean || type.shape == Shape::Integer;
}

Value number_value(std::uint64_t number, const Type& type) {
  if (type.shape == Shape::Boolean) return Value(number != 0);
  if (type.format == "int32") return Value(static_cast<std::int32_t>(number));
  return Value(static_cast<std::int64_t>(number));
}

/// A value that comes as bytes and is no object.
Result<Value> bytes_value(std::string_view bytes, const Type& type) {
  if (type.shape == Shape::IntOrString) return read_int_or_string(bytes);
  if (type.shape == Shape::Any) return read_raw(bytes);
  if (type.format == "date-time") return read_time(bytes, false);
  if (type.format == "micro-time") return read_time(bytes, true);
  if (type.format == "byte") return Value(encode_base64(bytes));
  if (type.format != "quantity") return Value(repaired(bytes));
  MR_ASSIGN(const std::string amount, read_wrapped(bytes, "Quantity", "string"));
  return Value(amount.empty() ? "0" : repaired(amount));
}

Result<void> read_object(Value& object, const Type& type, std::string_view bytes,
                         std::uint32_t outer, std::size_t depth);

/// One value of `type`, in what follows `tag`. Objects add to what `into` has.
Result<void> read_value(Value& into, const Type& type, const Tag& tag, Wire& wire,
                        std::string_view name, std::size_t depth) {
  if (is_varint(type)) {
    MR_TRY(expect(tag, kVarint, name));
    MR_ASSIGN(const std::uint64_t number, wire.varint());
    into = number_value(number, type);
    return {};
  }
  MR_TRY(expect(tag, kBytes, name));
  MR_ASSIGN(const std::string_view bytes, wire.bytes());
  if (type.shape == Shape::Object) return read_object(into, type, bytes, 0, depth + 1);
  MR_ASSIGN(into, bytes_value(bytes, type));
  return {};
}

/// One entry of a map, appended; keys given twice are dealt with at the end.
Result<void> read_entry(Value& map, const Type& element, const Tag& tag, Wire& wire,
                        std::string_view name, std::size_t depth) {
  MR_TRY(expect(tag, kBytes, name));
  MR_ASSIGN(const std::string_view bytes, wire.bytes());
  std::string key;
  Value value = zero_value(element);
  Wire entry(bytes);
  while (!entry.done()) {
    MR_ASSIGN(const Tag part, entry.tag(name));
    if (part.number == 1) {
      MR_TRY(expect(part, kBytes, name));
      MR_ASSIGN(const std::string_view text, entry.bytes());
      key = repaired(text);
    } else if (part.number == 2) {
      MR_TRY(read_value(value, element, part, entry, name, depth));
    } else {
      MR_TRY(entry.skip(part.type));
    }
  }
  map.members().emplace_back(std::move(key), std::move(value));
  return {};
}

Result<void> read_item(Value& list, const Type& element, const Tag& tag, Wire& wire,
                       std::string_view name, std::size_t depth) {
  if (is_varint(element) && tag.type == kBytes) {
    MR_ASSIGN(const std::string_view bytes, wire.bytes());
    Wire packed(bytes);
    while (!packed.done()) {
      MR_ASSIGN(const std::uint64_t number, packed.varint());
      list.push_back(number_value(number, element));
    }
    return {};
  }
  Value item;
  MR_TRY(read_value(item, element, tag, wire, name, depth));
  list.push_back(std::move(item));
  return {};
}

Result<void> read_field(Value& object, const Field& field, const Tag& tag, Wire& wire,
                        std::size_t depth) {
  Value& into = object[field.name];
  const Type& type = *field.type;
  if (type.shape == Shape::List) {
    return read_item(into, *type.element, tag, wire, field.name, depth);
  }
  if (type.shape == Shape::Map) {
    return read_entry(into, *type.element, tag, wire, field.name, depth);
  }
  return read_value(into, type, tag, wire, field.name, depth);
}

/// The fields of a message, or of one that JSON has no object for (`outer`: its number).
Result<void> read_object(Value& object, const Type& type, std::string_view bytes,
                         std::uint32_t outer, std::size_t depth) {
  if (depth > kDeepest) return fail(Code::Malformed, "proto: nested too deep");
  object.members();  // an object, also when there is nothing in it
  Wire wire(bytes);
  while (!wire.done()) {
    MR_ASSIGN(const Tag tag,
              wire.tag(std::string_view(type.name).substr(type.name.rfind('.') + 1)));
    const auto field =
        std::find_if(type.fields.begin(), type.fields.end(), [&](const Field& candidate) {
          return candidate.number == tag.number && candidate.outer_number == outer;
        });
    if (field != type.fields.end()) {
      MR_TRY(read_field(object, *field, tag, wire, depth));
      continue;
    }
    const bool nested = outer == 0 && std::any_of(type.fields.begin(), type.fields.end(),
                                                  [&](const Field& candidate) {
                                                    return candidate.outer_number == tag.number;
                                                  });
    if (!nested) {
      MR_TRY(wire.skip(tag.type));
      continue;
    }
    MR_TRY(expect(tag, kBytes, "message"));
    MR_ASSIGN(const std::string_view inner, wire.bytes());
    MR_TRY(read_object(object, type, inner, tag.number, depth + 1));
  }
  return {};
}

bool is_zero(const Value& value) {
  if (value.is_bool()) return !value.as_bool();
  if (value.is_number()) return value.as_int() == 0;
  if (value.is_object()) return false;
  return value.is_string() ? value.as_string().empty() : value.empty();
}

/// Sorted, the last one of those with the same key.
void tidy_map(Value::Object& members) {
  const auto less = [](const Value::Member& a, const Value::Member& b) {
    return a.first < b.first;
  };
  std::stable_sort(members.begin(), members.end(), less);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (i + 1 < members.size() && members[i].first == members[i + 1].first) continue;
    if (kept != i) members[kept] = std::move(members[i]);
    ++kept;
  }
  members.resize(kept);
}

bool too_deep(const Value& value, std::size_t left) {
  if (!value.is_object() && !value.is_array()) return false;
  if (left == 0) return true;
  for (const auto& [name, member] : value.members()) {
    if (too_deep(member, left - 1)) return true;
  }
  for (const Value& item : value.items()) {
    if (too_deep(item, left - 1)) return true;
  }
  return false;
}

/// Bring what was read into the form of JSON; false when it is nested too deep. `depth` counts the
/// containers around.
bool tidy(Value& value, const Type& type, std::size_t depth) {
  if (type.shape == Shape::Any) return depth < kDeepest && !too_deep(value, kDeepest - depth);
  if (value.is_object() && type.shape == Shape::Map) {
    tidy_map(value.members());
    for (auto& [key, member] : value.members()) {
      if (!tidy(member, *type.element, depth + 1)) return false;
    }
  } else if (value.is_object()) {
    std::erase_if(value.members(), [&](const Value::Member& member) {
      const Field* field = type.find(member.first);
      return member.second.is_null() ||
             (field->written == Written::IfNotZero && is_zero(member.second));
    });
    for (auto& [name, member] : value.members()) {
      if (!tidy(member, *type.find(name)->type, depth + 1)) return false;
    }
  } else if (value.is_array()) {
    for (Value& item : value.items()) {
      if (!tidy(item, *type.element, depth + 1)) return false;
    }
  }
  return true;
}

Result<void> read_type_meta(std::string_view bytes, Envelope& envelope) {
  Wire wire(bytes);
  while (!wire.done()) {
    MR_ASSIGN(const Tag tag, wire.tag("TypeMeta"));
    if (tag.number != 1 && tag.number != 2) {
      MR_TRY(wire.skip(tag.type));
      continue;
    }
    MR_TRY(expect(tag, kBytes, tag.number == 1 ? "APIVersion" : "kind"));
    MR_ASSIGN(const std::string_view text, wire.bytes());
    (tag.number == 1 ? envelope.api_version : envelope.kind) = repaired(text);
  }
  return {};
}

}  // namespace

Result<Envelope> read_envelope(std::string_view body) {
  if (body.empty()) return fail(Code::Malformed, "empty data");
  if (body.substr(0, kMagic.size()) != kMagic) {
    return fail(Code::Malformed,
                "provided data does not appear to be a protobuf message, expected prefix [107 56 "
                "115 0]");
  }
  if (body.size() == kMagic.size()) return fail(Code::Malformed, "empty body");
  Envelope envelope;
  Wire wire(body.substr(kMagic.size()));
  while (!wire.done()) {
    MR_ASSIGN(const Tag tag, wire.tag("Unknown"));
    if (tag.number != 1 && tag.number != 2) {
      MR_TRY(wire.skip(tag.type));
      continue;
    }
    MR_TRY(expect(tag, kBytes, tag.number == 1 ? "TypeMeta" : "Raw"));
    MR_ASSIGN(const std::string_view bytes, wire.bytes());
    if (tag.number == 1) MR_TRY(read_type_meta(bytes, envelope));
    if (tag.number == 2) envelope.raw = bytes;
  }
  return envelope;
}

Result<Value> read_message(std::string_view raw, const Type& type) {
  Value object = Value::object();
  MR_TRY(read_object(object, type, raw, 0, 1));
  if (!tidy(object, type, 1)) return fail(Code::Malformed, "proto: nested too deep");
  return object;
}

Result<Value> decode_protobuf(std::string_view body, std::string_view api_version,
                              std::string_view kind) {
  MR_ASSIGN(Envelope envelope, read_envelope(body));
  if (envelope.kind.empty()) envelope.kind = kind;
  if (envelope.api_version.empty()) envelope.api_version = api_version;
  Value document = Value::object({{"kind", envelope.kind}, {"apiVersion", envelope.api_version}});
  const Type* type = wire_type(envelope.api_version, envelope.kind);
  if (type == nullptr) return document;
  MR_ASSIGN(Value object, read_message(envelope.raw, *type));
  for (auto& member : object.members()) document.members().push_back(std::move(member));
  return document;
}

}  // namespace millrace::schema
