/// JSON into described types, in one pass, without a document tree: what is not described is
/// skipped.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kubeclient/base/result.h"
#include "kubeclient/codec/describe.h"

namespace millrace::codec {

/// One complaint about a document, e.g. {"spec.steps[3].name", "required"}.
struct FieldError {
  std::string path;  ///< "" is the document itself
  std::string message;
  bool operator==(const FieldError&) const = default;
};
/// "path: message", or only the message at the root.
std::string to_string(const FieldError& error);

/// Reads one document into one described value. Not thread-safe; buffers are kept between
/// documents.
class JsonReader {
 public:
  enum class Mode {
    Lenient,  ///< for servers' answers: unknown fields skipped, limits not checked, null is absent
    Strict,   ///< for people's files: unknown, missing and repeated fields and broken limits are
              ///< errors
  };

  explicit JsonReader(Mode mode = Mode::Lenient);
  ~JsonReader();
  JsonReader(const JsonReader&) = delete;
  JsonReader& operator=(const JsonReader&) = delete;

  /// Read `json` into `out`, which should be default-built. Gives all complaints, in document
  /// order; empty means success. In Lenient mode reading ends at the first one.
  template <class T>
  const std::vector<FieldError>& read(std::string_view json, T& out) {
    if (start(json)) {
      value(out);
      finish();
    }
    return errors_;
  }

  /// Add a complaint at the current path; for types that check more than their shape.
  void error(std::string message);

 private:
  using KeyCallback = void (*)(void* context, std::string_view key);
  using ItemCallback = void (*)(void* context);

  // Implemented over the parser in the .cc file. All work on the current value.
  bool start(std::string_view json);
  void finish();
  bool stopped() const { return mode_ == Mode::Lenient && !errors_.empty(); }
  bool is_null();
  void object(KeyCallback callback, void* context);
  void array(ItemCallback callback, void* context);
  void skip_unknown(std::string_view key);
  void value(bool& out);
  void value(int& out);
  void value(std::int64_t& out);
  void value(double& out);
  void value(std::string& out);
  void value(Time& out);
  void value(MicroTime& out);
  void value(Duration& out);
  void value(Value& out);
  bool string_view_value(std::string_view& out);
  void enter_key(std::string_view key);
  void enter_index(std::size_t index);
  void leave();
  void bad_enum(std::string_view got, std::vector<std::string_view> names);
  void missing(std::string_view name);
  void repeated(std::string_view name);
  void check_number(double number, const FieldOptions& options);
  void check_length(std::size_t length, const FieldOptions& options);
  void check_items(std::size_t count, const FieldOptions& options);
  void check_pattern(const std::string& text, const FieldOptions& options);

  template <class E>
  requires NamedEnum<E>
  void value(E& out) {
    std::string_view text;
    if (!string_view_value(text)) return;
    for (const auto& [candidate, name] : EnumNames<E>::names) {
      if (name == text) {
        out = candidate;
        return;
      }
    }
    std::vector<std::string_view> names;
    for (const auto& [candidate, name] : EnumNames<E>::names) names.push_back(name);
    bad_enum(text, std::move(names));
  }

  template <class T>
  void value(std::optional<T>& out) {
    value(out.emplace());
  }

  template <class T>
  void value(std::vector<T>& out) {
    struct Context {
      JsonReader* self;
      std::vector<T>* out;
    } context{this, &out};
    out.clear();
    array(
        [](void* raw) {
          auto& c = *static_cast<Context*>(raw);
          c.self->enter_index(c.out->size());
          c.self->value(c.out->emplace_back());
          c.self->leave();
        },
        &context);
  }

  template <class T>
  void value(std::map<std::string, T>& out) {
    struct Context {
      JsonReader* self;
      std::map<std::string, T>* out;
    } context{this, &out};
    object(
        [](void* raw, std::string_view key) {
          auto& c = *static_cast<Context*>(raw);
          std::string name(key);
          c.self->enter_key(name);
          T item{};
          if (!c.self->is_null()) c.self->value(item);
          c.self->leave();
          c.out->insert_or_assign(std::move(name), std::move(item));
        },
        &context);
  }

  /// Finds the described field with the current key and reads it.
  struct Matcher {
    JsonReader* reader;
    std::string_view key;
    std::uint64_t* seen;
    int index = 0;
    bool done = false;

    template <class T>
    void field(std::string_view name, T& member, const FieldOptions& options = {}) {
      const int i = index++;
      if (done || key != name) return;
      done = true;
      reader->enter_key(name);
      const std::uint64_t bit = std::uint64_t{1} << i;
      if ((*seen & bit) != 0) reader->repeated(name);
      // Null is the same as absent, also where a value is required.
      if (!reader->is_null()) {
        *seen |= bit;
        reader->value(member);
        if (reader->mode_ == Mode::Strict) reader->check(member, options);
      }
      reader->leave();
    }
    void rule(std::string_view, std::string_view) {}
  };
  struct RequiredCheck {
    JsonReader* reader;
    std::uint64_t seen;
    int index = 0;
    template <class T>
    void field(std::string_view name, T&, const FieldOptions& options = {}) {
      const int i = index++;
      if (options.required && ((seen >> i) & 1) == 0) reader->missing(name);
    }
    void rule(std::string_view, std::string_view) {}
  };

  template <Described T>
  void value(T& out) {
    struct Context {
      JsonReader* self;
      T* out;
      std::uint64_t seen = 0;  // a described type has at most 64 fields
    } context{this, &out};
    object(
        [](void* raw, std::string_view key) {
          auto& c = *static_cast<Context*>(raw);
          Matcher matcher{c.self, key, &c.seen};
          T::describe(matcher, *c.out);
          if (!matcher.done) c.self->skip_unknown(key);
        },
        &context);
    if (mode_ == Mode::Strict) {
      RequiredCheck required{this, context.seen};
      T::describe(required, out);
    }
  }

  template <class T>
  void check(const T& member, const FieldOptions& options) {
    if constexpr (IsOptional<T>::value) {
      if (member) check(*member, options);
    } else if constexpr (std::is_same_v<T, int> || std::is_same_v<T, std::int64_t> ||
                         std::is_same_v<T, double>) {
      check_number(static_cast<double>(member), options);
    } else if constexpr (std::is_same_v<T, std::string>) {
      check_length(member.size(), options);
      if (!options.pattern.empty()) check_pattern(member, options);
    } else if constexpr (IsVector<T>::value || IsStringMap<T>::value) {
      check_items(member.size(), options);
    }
  }

  struct Impl;
  std::unique_ptr<Impl> impl_;
  Mode mode_;
  std::vector<FieldError> errors_;
};

/// Decode with a reader of this thread. Errors: Malformed, with the field's path.
template <class T>
Result<T> decode(std::string_view json);

/// The reader that `decode` uses on this thread.
JsonReader& thread_reader();

template <class T>
Result<T> decode(std::string_view json) {
  T out{};
  const auto& errors = thread_reader().read(json, out);
  if (!errors.empty()) return fail(Code::Malformed, to_string(errors.front()));
  return out;
}

}  // namespace millrace::codec
