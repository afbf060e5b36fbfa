#include "kubeclient/codec/json_reader.h"

#include <simdjson.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <regex>

#include "kubeclient/base/duration.h"
#include "kubeclient/base/time_format.h"

namespace millrace::codec {

namespace od = simdjson::ondemand;

namespace {
constexpr std::size_t kMaxDepth = 128;
/// Buffers above this size are given back after use: a relist must not hold its pages for ever.
constexpr std::size_t kKeptBuffer = 256 * 1024;
/// A JSON number that is not an integer shows one of these.
bool looks_fractional(std::string_view token) {
  return token.find_first_of(".eE") != std::string_view::npos;
}
}  // namespace

struct JsonReader::Impl {
  od::parser parser;
  std::vector<char> buffer;
  od::document document;
  od::value* current = nullptr;  // null: the document itself
  struct Step {
    std::string_view key;
    std::size_t index = 0;
    bool is_index = false;
  };
  std::vector<Step> path;
  std::string owned_key;
};

std::string to_string(const FieldError& error) {
  return error.path.empty() ? error.message : error.path + ": " + error.message;
}

JsonReader::JsonReader(Mode mode) : impl_(std::make_unique<Impl>()), mode_(mode) {}
JsonReader::~JsonReader() = default;

JsonReader& thread_reader() {
  thread_local JsonReader reader;
  return reader;
}

void JsonReader::error(std::string message) {
  if (stopped()) return;
  std::string path;
  for (const Impl::Step& step : impl_->path) {
    if (step.is_index) {
      path += '[' + std::to_string(step.index) + ']';
    } else {
      if (!path.empty()) path += '.';
      path += step.key;
    }
  }
  errors_.push_back({std::move(path), std::move(message)});
}

bool JsonReader::start(std::string_view json) {
  errors_.clear();
  impl_->path.clear();
  impl_->current = nullptr;
  auto& buffer = impl_->buffer;
  const std::size_t need = json.size() + simdjson::SIMDJSON_PADDING;
  if (buffer.size() < need) buffer.resize(need);
  if (!json.empty()) std::memcpy(buffer.data(), json.data(), json.size());
  std::memset(buffer.data() + json.size(), 0, simdjson::SIMDJSON_PADDING);
  const auto code =
      impl_->parser.iterate(buffer.data(), json.size(), buffer.size()).get(impl_->document);
  if (code != simdjson::SUCCESS) {
    error(std::string("not valid JSON: ") + simdjson::error_message(code));
    return false;
  }
  return true;
}

void JsonReader::finish() {
  const char* rest = nullptr;  // after a whole document the parser is out of bounds
  if (errors_.empty() && impl_->document.current_location().get(rest) == simdjson::SUCCESS) {
    error("not valid JSON: text after the document");
  }
  if (impl_->buffer.size() > kKeptBuffer) {
    impl_->buffer = {};
    impl_->document = {};
    impl_->parser = od::parser();
  }
}

/// Run `get` on the current value, or on the document at the root.
#define MR_CURRENT(get) (impl_->current != nullptr ? impl_->current->get : impl_->document.get)

bool JsonReader::is_null() {
  bool null = false;
  if (MR_CURRENT(is_null()).get(null) != simdjson::SUCCESS) return false;
  return null;
}

void JsonReader::object(KeyCallback callback, void* context) {
  if (stopped()) return;
  if (impl_->path.size() > kMaxDepth) return error("nested too deeply");
  od::object object;
  if (MR_CURRENT(get_object()).get(object) != simdjson::SUCCESS) {
    return error("must be an object");
  }
  od::value* const outer = impl_->current;
  for (auto entry : object) {
    od::field field;
    std::string_view key;
    if (std::move(entry).get(field) != simdjson::SUCCESS ||
        field.unescaped_key().get(key) != simdjson::SUCCESS) {
      error("not valid JSON");
      break;
    }
    od::value value = field.value();
    impl_->current = &value;
    callback(context, key);
    if (stopped()) break;
  }
  impl_->current = outer;
}

void JsonReader::array(ItemCallback callback, void* context) {
  if (stopped()) return;
  if (impl_->path.size() > kMaxDepth) return error("nested too deeply");
  od::array array;
  if (MR_CURRENT(get_array()).get(array) != simdjson::SUCCESS) return error("must be a list");
  od::value* const outer = impl_->current;
  for (auto entry : array) {
    od::value value;
    if (std::move(entry).get(value) != simdjson::SUCCESS) {
      error("not valid JSON");
      break;
    }
    impl_->current = &value;
    callback(context);
    if (stopped()) break;
  }
  impl_->current = outer;
}

void JsonReader::skip_unknown(std::string_view key) {
  if (mode_ == Mode::Lenient) return;  // the parser moves on by itself
  impl_->owned_key = key;
  enter_key(impl_->owned_key);
  error("unknown field");
  leave();
}

void JsonReader::value(bool& out) {
  if (stopped()) return;
  if (MR_CURRENT(get_bool()).get(out) != simdjson::SUCCESS) error("must be true or false");
}

void JsonReader::value(std::int64_t& out) {
  if (stopped()) return;
  std::int64_t number = 0;
  const auto code = MR_CURRENT(get_int64()).get(number);
  if (code == simdjson::SUCCESS) {
    out = number;
    return;
  }
  double real = 0;  // 3.0 and 3e0 are integers to Kubernetes' decoder as well
  if (MR_CURRENT(get_double()).get(real) == simdjson::SUCCESS && real == std::floor(real) &&
      std::fabs(real) < 9.0e18) {
    out = static_cast<std::int64_t>(real);
    return;
  }
  error("must be a whole number");
}

void JsonReader::value(int& out) {
  std::int64_t wide = 0;
  const std::size_t before = errors_.size();
  value(wide);
  if (errors_.size() != before) return;
  if (wide < std::numeric_limits<int>::min() || wide > std::numeric_limits<int>::max()) {
    return error("must fit into 32 bits");
  }
  out = static_cast<int>(wide);
}

void JsonReader::value(double& out) {
  if (stopped()) return;
  if (MR_CURRENT(get_double()).get(out) != simdjson::SUCCESS) error("must be a number");
}

bool JsonReader::string_view_value(std::string_view& out) {
  if (stopped()) return false;
  if (MR_CURRENT(get_string()).get(out) == simdjson::SUCCESS) return true;
  error("must be a string");
  return false;
}

void JsonReader::value(std::string& out) {
  std::string_view text;
  if (string_view_value(text)) out = text;
}

void JsonReader::value(Time& out) {
  std::string_view text;
  if (!string_view_value(text)) return;
  auto time = parse_time(text);
  if (!time.ok()) return error(time.error().message);
  out = *time;
}

void JsonReader::value(MicroTime& out) { value(out.time); }

void JsonReader::value(Duration& out) {
  std::string_view text;
  if (!string_view_value(text)) return;
  auto duration = parse_duration(text);
  if (!duration.ok()) return error(duration.error().message);
  out = *duration;
}

void JsonReader::value(Value& out) {
  if (stopped()) return;
  if (impl_->path.size() > kMaxDepth) return error("nested too deeply");
  od::json_type type{};
  if (MR_CURRENT(type()).get(type) != simdjson::SUCCESS) return error("not valid JSON");
  switch (type) {
    case od::json_type::object: {
      out = Value::object();
      struct Context {
        JsonReader* self;
        Value* out;
      } context{this, &out};
      object(
          [](void* raw, std::string_view key) {
            auto& c = *static_cast<Context*>(raw);
            std::string name(key);
            c.self->enter_key(name);
            Value member;
            c.self->value(member);
            c.self->leave();
            (*c.out)[name] = std::move(member);
          },
          &context);
      return;
    }
    case od::json_type::array: {
      out = Value::array();
      struct Context {
        JsonReader* self;
        Value* out;
      } context{this, &out};
      array(
          [](void* raw) {
            auto& c = *static_cast<Context*>(raw);
            c.self->enter_index(c.out->items().size());
            Value item;
            c.self->value(item);
            c.self->leave();
            c.out->push_back(std::move(item));
          },
          &context);
      return;
    }
    case od::json_type::string: {
      std::string text;
      value(text);
      out = Value(std::move(text));
      return;
    }
    case od::json_type::number: {
      std::string_view token =
          impl_->current != nullptr ? impl_->current->raw_json_token() : std::string_view();
      std::int64_t whole = 0;
      if (!looks_fractional(token) && MR_CURRENT(get_int64()).get(whole) == simdjson::SUCCESS) {
        out = Value(whole);
        return;
      }
      double real = 0;
      value(real);
      out = Value(real);
      return;
    }
    case od::json_type::boolean: {
      bool flag = false;
      value(flag);
      out = Value(flag);
      return;
    }
    case od::json_type::null:
      if (!is_null()) error("not valid JSON");
      out = Value();
      return;
  }
}

void JsonReader::enter_key(std::string_view key) { impl_->path.push_back({key, 0, false}); }
void JsonReader::enter_index(std::size_t index) { impl_->path.push_back({{}, index, true}); }
void JsonReader::leave() { impl_->path.pop_back(); }

void JsonReader::bad_enum(std::string_view got, std::vector<std::string_view> names) {
  std::string message = "\"" + std::string(got) + "\" is not one of ";
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) message += i + 1 == names.size() ? " or " : ", ";
    message += names[i];
  }
  error(std::move(message));
}

void JsonReader::missing(std::string_view name) {
  enter_key(name);
  error("required");
  leave();
}

void JsonReader::repeated(std::string_view) {
  if (mode_ == Mode::Strict) error("given twice");
}

void JsonReader::check_number(double number, const FieldOptions& options) {
  const auto text = [](double limit) {
    std::string out;
    append_json_double(out, limit);
    return out;
  };
  if (options.min && number < *options.min) error("must be at least " + text(*options.min));
  if (options.max && number > *options.max) error("must be at most " + text(*options.max));
}

void JsonReader::check_length(std::size_t length, const FieldOptions& options) {
  if (options.min_length && length < static_cast<std::size_t>(*options.min_length)) {
    error(*options.min_length == 1
              ? "must not be empty"
              : "must have at least " + std::to_string(*options.min_length) + " characters");
  }
  if (options.max_length && length > static_cast<std::size_t>(*options.max_length)) {
    error("must have at most " + std::to_string(*options.max_length) + " characters");
  }
}

void JsonReader::check_items(std::size_t count, const FieldOptions& options) {
  if (options.min_items && count < static_cast<std::size_t>(*options.min_items)) {
    error("must have at least " + std::to_string(*options.min_items) +
          (*options.min_items == 1 ? " entry" : " entries"));
  }
  if (options.max_items && count > static_cast<std::size_t>(*options.max_items)) {
    error("must have at most " + std::to_string(*options.max_items) + " entries");
  }
}

void JsonReader::check_pattern(const std::string& text, const FieldOptions& options) {
  const std::regex pattern(options.pattern.begin(), options.pattern.end(), std::regex::ECMAScript);
  // std::regex recurses on its input; such a long text breaks every length limit of ours anyway.
  if (text.size() > 4096 || !std::regex_search(text, pattern)) {
    error("\"" + text.substr(0, 64) + "\" does not match " + std::string(options.pattern));
  }
}

}  // namespace millrace::codec
