#include "local/storage/attribute_text.h"

namespace millrace::storage {
namespace {

constexpr std::size_t kMaxNames = 4096;  // clients choose label names; the table must end somewhere

// A text is its length plus 3 and its bytes, or one of these.
enum Known : std::uint64_t { kName = 0, kNamespace = 1, kUid = 2, kLiteral = 3 };

void put_number(std::string& out, std::uint64_t n) {
  for (; n >= 0x80; n >>= 7) out += static_cast<char>((n & 0x7f) | 0x80);
  out += static_cast<char>(n);
}

void put_text(std::string& out, std::string_view text, const Key& key, const std::string& uid) {
  if (text == key.name) return put_number(out, kName);
  if (text == key.ns) return put_number(out, kNamespace);
  if (text == uid) return put_number(out, kUid);
  put_number(out, text.size() + kLiteral);
  out += text;
}

void put_literal(std::string& out, std::string_view text) {
  put_number(out, text.size() + kLiteral);
  out += text;
}

void put_pairs(std::string& out, const Pairs& pairs, const Key& key, const std::string& uid,
               NameTable* names) {
  put_number(out, pairs.size());
  for (const auto& [name, value] : pairs) {
    const std::uint32_t number = names == nullptr ? 0 : names->number(name);
    put_number(out, number);
    if (number == 0) put_literal(out, name);
    put_text(out, value, key, uid);
  }
}

class Unpacker {
 public:
  Unpacker(std::string_view bytes, const Key& key, const NameTable* names)
      : rest_(bytes), key_(key), names_(names) {}

  bool number(std::uint64_t& n) {
    n = 0;
    for (int shift = 0; shift < 63 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      n |= std::uint64_t{byte & 0x7fU} << shift;
      if ((byte & 0x80) == 0) return true;
    }
    return false;
  }

  bool text(std::string& out, const std::string& uid) {
    std::uint64_t n = 0;
    if (!number(n)) return false;
    if (n < kLiteral) {
      out = n == kName ? key_.name : n == kNamespace ? key_.ns : uid;
      return true;
    }
    n -= kLiteral;
    if (n > rest_.size()) return false;
    out = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return true;
  }

  bool pairs(Pairs& out, const std::string& uid) {
    std::uint64_t count = 0;
    if (!number(count) || count > rest_.size()) return false;
    out.resize(count);
    for (auto& [name, value] : out) {
      std::uint64_t n = 0;
      if (!number(n)) return false;
      if (n == 0) {
        if (!text(name, uid)) return false;
      } else if (names_ == nullptr) {
        return false;
      } else {
        name = names_->name(static_cast<std::uint32_t>(n));
      }
      if (!text(value, uid)) return false;
    }
    return true;
  }

  bool at_end() const { return rest_.empty(); }

 private:
  std::string_view rest_;
  const Key& key_;
  const NameTable* names_;
};

}  // namespace

std::uint32_t NameTable::number(std::string_view name) {
  const std::lock_guard lock(mutex_);
  if (const auto it = numbers_.find(name); it != numbers_.end()) return it->second;
  if (names_.size() >= kMaxNames) return 0;
  const std::string& kept = names_.emplace_back(name);
  const auto number = static_cast<std::uint32_t>(names_.size());
  numbers_.emplace(kept, number);
  return number;
}

std::string_view NameTable::name(std::uint32_t number) const {
  const std::lock_guard lock(mutex_);
  MR_CHECK(number >= 1 && number <= names_.size());
  return names_[number - 1];
}

std::string pack_attributes(const Key& key, const std::string& uid, const Attributes& attributes,
                            NameTable* names) {
  std::string out;
  put_literal(out, uid);
  put_pairs(out, attributes.labels, key, uid, names);
  put_pairs(out, attributes.fields, key, uid, names);
  return out;
}

bool unpack_attributes(std::string_view bytes, const Key& key, const NameTable* names,
                       std::string& uid, Attributes& attributes) {
  Unpacker in(bytes, key, names);
  std::string read;
  if (!in.text(read, read)) return false;
  uid = std::move(read);
  return in.pairs(attributes.labels, uid) && in.pairs(attributes.fields, uid) && in.at_end();
}

}  // namespace millrace::storage
