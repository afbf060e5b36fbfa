/// Reads past the cache, for decisions that cannot be taken back.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "controllers/shell/trim.h"
#include "kubeclient/client/typed.h"
#include "kubeclient/runtime/store.h"

namespace millrace::shell {

/// Reads live objects in the shape the caches have them.
class LiveReader {
 public:
  LiveReader(client::Reader& reader, const std::stop_token& stop) : reader_(reader) {
    options_.stop = stop;
  }

  /// The object, or null when there is none.
  template <class T>
  Result<runtime::Ref<T>> find(const ObjectKey& key) const {
    auto got = client::get<T>(reader_, key, options_);
    if (!got.ok()) {
      if (got.error().code == Code::NotFound) return runtime::Ref<T>();
      return fail(std::move(got).error());
    }
    trim(*got);
    return std::make_shared<const T>(*std::move(got));
  }

  /// All objects with the label, in no order.
  template <class T>
  Result<std::vector<runtime::Ref<T>>> list(const std::string& ns,
                                            const std::string& label_selector) const {
    client::ListOptions list;
    list.label_selector = label_selector;
    MR_ASSIGN(auto page, client::list<T>(reader_, ns, list, options_));
    // A decision must not be taken on an object's absence when it only could not be read.
    if (!page.broken.empty()) {
      return fail(Code::Malformed,
                  page.broken.front().key.str() + ": " + page.broken.front().message);
    }
    std::vector<runtime::Ref<T>> out;
    for (T& item : page.items) {
      trim(item);
      out.push_back(std::make_shared<const T>(std::move(item)));
    }
    return out;
  }

 private:
  client::Reader& reader_;
  client::CallOptions options_;
};

}  // namespace millrace::shell
