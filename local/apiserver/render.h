/// Answers made of stored objects, in the form that the client accepts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "local/apiserver/api.h"
#include "local/apiserver/negotiation.h"
#include "local/apiserver/table.h"

namespace millrace::apiserver {

/// How objects of a kind are shown to one client.
class Renderer {
 public:
  /// Refuses with 400 a wrong includeObject.
  static Answer<Renderer> make(const Request& request, const schema::Kind& kind, Output output,
                               Time now);

  /// One object from its stored text. Refuses with 406 a list view.
  Answer<Response> object(std::string_view json, int status) const;
  /// A list; `metadata` is its metadata. Refuses with 406 the view of a single object.
  Answer<Response> list(const std::vector<storage::RecordRef>& records,
                        codec::Value metadata) const;
  /// Objects are shown as they are stored.
  bool plain() const { return output_.view == View::Object && kind_->from_stored == nullptr; }
  /// The text of one object inside a watch event, from its stored text.
  std::string watched(std::string_view json, WithColumns columns, Time now) const;
  /// The object of a bookmark.
  std::string bookmark(std::uint64_t version, bool initial_events_end, WithColumns columns) const;
  /// Watches are JSON whatever else is asked for.
  bool is_table() const { return output_.view == View::Table; }

 private:
  Renderer(const schema::Kind& kind, Output output, IncludeObject include, Time now)
      : kind_(&kind), output_(output), include_(include), now_(now) {}

  codec::Value value_of(std::string_view json) const;
  std::string text_of(std::string_view json) const;
  std::string plain_list(const std::vector<storage::RecordRef>& records,
                         const codec::Value& metadata) const;
  template <class Part>
  std::string filled(std::string text, const std::vector<storage::RecordRef>& records,
                     const Part& part) const;

  const schema::Kind* kind_;
  Output output_;
  IncludeObject include_;
  Time now_;
};

/// The renderer for a request that shows objects of `kind`.
Answer<Renderer> renderer_for(const Request& request, const schema::Kind& kind, Time now);
/// Append a Warning header for each text.
void add_warnings(Response& response, const std::vector<std::string>& texts);

/// `json` as the body of a response, in the format asked for.
Response make_response(int status, std::string json, Output output);

}  // namespace millrace::apiserver
