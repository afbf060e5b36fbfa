/// An in-memory API for runtime tests: objects with versions, scripted lists and watches, faults.
/// No HTTP and no admission; the embedded API server is for tests that need those.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "kubeclient/api/meta.h"
#include "kubeclient/base/guarded.h"
#include "kubeclient/client/client.h"
#include "kubeclient/codec/value.h"
#include "tests/support/manual_clock.h"

namespace millrace::support {

/// Silence until the reader's deadline: the stream moves the clock there and answers Timeout.
struct Silence {};
/// The stream blocks until it is cancelled or its stop token is.
struct Hang {};
/// What a read of a scripted stream gives: bytes, the clean end (""), an error, or waiting.
using StreamPiece = std::variant<std::string, Error, Silence, Hang>;

/// The answer to one watch call. After its pieces the stream hangs.
struct WatchScript {
  std::optional<Error> refuse = {};  ///< the call itself fails
  std::vector<StreamPiece> pieces = {};
};

/// One call as it was made.
struct FakeCall {
  std::string verb;  ///< get, list, watch, create, replace, patch or delete
  std::string plural;
  ObjectKey key;
  std::string body;
  client::WatchOptions watch = {};
  client::ListOptions list = {};
};

/// Safe from any thread.
class FakeApi final : public client::Reader, public client::Writer {
 public:
  explicit FakeApi(ManualClock& clock) : clock_(clock) {}

  /// Queue the answer to the next watch call; without one a watch hangs.
  void script_watch(WatchScript script);
  /// Queue the answer to the next list call; without one it lists what is stored.
  void script_list(Result<std::string> answer);
  /// Let the next `times` calls of `verb` fail before they have an effect.
  void fail_next(const std::string& verb, Error error, int times = 1);
  /// Let the next call of `verb` take effect, and its answer be lost.
  void lose_answer(const std::string& verb, Error error);
  /// Run `hook` inside the next call of `verb`, before its effect; for time that passes meanwhile.
  void during_next(const std::string& verb, std::function<void()> hook);

  /// Wait until a stream hangs; false after ten seconds, which fails the test.
  bool wait_until_hanging(int streams = 1);
  std::vector<FakeCall> calls(std::string_view verb = {}) const;
  /// The stored object, or null.
  codec::Value stored(std::string_view plural, const ObjectKey& key) const;
  /// Store `object` under its metadata as somebody else, with a new version.
  void store(std::string_view plural, codec::Value object);
  void erase(std::string_view plural, const ObjectKey& key);

  Result<std::string> get_text(const api::ApiResource& resource, const ObjectKey& key,
                               const client::CallOptions& options) override;
  Result<std::string> list_text(const api::ApiResource& resource, const std::string& ns,
                                const client::ListOptions& list,
                                const client::CallOptions& options) override;
  Result<std::unique_ptr<client::ByteStream>> watch(const api::ApiResource& resource,
                                                    const std::string& ns,
                                                    const client::WatchOptions& watch,
                                                    const client::CallOptions& options) override;
  Result<std::string> create_text(const api::ApiResource& resource, const std::string& ns,
                                  std::string_view body,
                                  const client::CallOptions& options) override;
  Result<std::string> replace_text(const api::ApiResource& resource, const ObjectKey& key,
                                   std::string_view body, const std::string& subresource,
                                   const client::CallOptions& options) override;
  Result<std::string> patch_text(const api::ApiResource& resource, const ObjectKey& key,
                                 client::PatchType type, std::string_view body,
                                 const client::PatchOptions& patch,
                                 const client::CallOptions& options) override;
  Result<std::string> delete_text(const api::ApiResource& resource, const ObjectKey& key,
                                  const client::DeleteOptions& del,
                                  const client::CallOptions& options) override;

 private:
  class Stream;
  using Address = std::pair<std::string, ObjectKey>;
  struct Fault {
    std::string verb;
    Error error;
    bool after = false;  ///< the call takes effect, the answer is lost
  };
  struct State {
    std::map<Address, codec::Value> objects;
    std::int64_t version = 100;
    std::deque<WatchScript> watches;
    std::deque<Result<std::string>> lists;
    std::vector<Fault> faults;
    std::vector<std::pair<std::string, std::function<void()>>> hooks;
    std::vector<FakeCall> calls;
    int hanging = 0;
  };

  /// Note the call, run its hook; the error to fail with, if any.
  std::optional<Error> enter(FakeCall call);
  Result<std::string> leave(const std::string& verb, std::string answer);
  static void stamp(State& state, codec::Value& object);

  ManualClock& clock_;
  Guarded<State> state_;
  std::condition_variable_any changed_;
};

/// An error of `code`, for faults.
Error error_of(Code code, std::string message = "injected");

}  // namespace millrace::support
