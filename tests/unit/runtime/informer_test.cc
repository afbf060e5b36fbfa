#include "kubeclient/runtime/informer.h"

#include <gtest/gtest.h>

#include <set>

#include "kubeclient/api/pod.h"
#include "tests/support/fake_api.h"

namespace millrace::runtime {
namespace {

using namespace std::chrono_literals;
using support::error_of;
using support::Hang;
using support::Silence;
using support::StreamPiece;

std::string object(std::string_view name, int version, std::string_view phase = "") {
  std::string out = R"({"kind":"Pod","metadata":{"name":")" + std::string(name) +
                    R"(","namespace":"ns","resourceVersion":")" + std::to_string(version) + '"';
  out += R"(,"managedFields":[{"manager":"x"}]},"spec":{"containers":[{"name":"c"}]})";
  if (!phase.empty()) out += R"(,"status":{"phase":")" + std::string(phase) + "\"}";
  return out + "}";
}
std::string event(std::string_view type, const std::string& content) {
  return R"({"type":")" + std::string(type) + R"(","object":)" + content + "}\n";
}
std::string added(std::string_view name, int version, std::string_view phase = "") {
  return event("ADDED", object(name, version, phase));
}
std::string modified(std::string_view name, int version, std::string_view phase = "") {
  return event("MODIFIED", object(name, version, phase));
}
std::string deleted(std::string_view name, int version) {
  return event("DELETED", object(name, version));
}
std::string bookmark(int version) {
  return event("BOOKMARK",
               R"({"metadata":{"resourceVersion":")" + std::to_string(version) + R"("}})");
}
std::string initial_end(int version) {
  return event(
      "BOOKMARK",
      R"({"metadata":{"annotations":{"k8s.io/initial-events-end":"true"},"resourceVersion":")" +
          std::to_string(version) + R"("}})");
}
std::string gone() {
  return event("ERROR", R"({"kind":"Status","status":"Failure","code":410,"reason":"Expired"})");
}
std::string page(int version, const std::vector<std::string>& items, std::string_view token = "") {
  std::string out = R"({"kind":"PodList","metadata":{"resourceVersion":")" +
                    std::to_string(version) + R"(","continue":")" + std::string(token) +
                    R"("},"items":[)";
  for (std::size_t i = 0; i < items.size(); ++i) out += (i > 0 ? "," : "") + items[i];
  return out + "]}";
}

class NullSink final : public LogSink {
 public:
  void write(const std::string&) override {}
};

class InformerTest : public testing::Test {
 protected:
  InformerTest() {
    options.protocol.seed = 1;
    options.trim = [](api::Pod& pod) { pod.metadata.annotations.clear(); };
  }
  ~InformerTest() override {
    if (informer) informer->stop();
  }
  /// Run the scripts to their end.
  void run(int streams = 1) {
    informer = std::make_unique<Informer<api::Pod>>(api, options, env);
    informer->add_index(
        "phase", [](const api::Pod& pod) { return std::vector<std::string>{pod.status.phase}; });
    informer->on_change([this](const Ref<api::Pod>& old, const Ref<api::Pod>& now) {
      const auto version = [](const Ref<api::Pod>& pod) {
        return pod ? pod->metadata.resource_version : "-";
      };
      *changes.lock() +=
          (now ? now : old)->metadata.name + ":" + version(old) + ">" + version(now) + " ";
    });
    informer->start();
    ASSERT_TRUE(api.wait_until_hanging(streams));
  }
  void watch(std::vector<StreamPiece> pieces) { api.script_watch({{}, std::move(pieces)}); }

  /// "name@version " of what is cached, sorted.
  std::string content() {
    std::set<std::string> all;
    for (const auto& pod : informer->store().list()) {
      all.insert(pod->metadata.name + "@" + pod->metadata.resource_version + " ");
    }
    std::string out;
    for (const auto& text : all) out += text;
    return out;
  }
  /// The watch calls: "list" for a watch-list, else the version.
  std::string watches() {
    std::string out;
    for (const auto& call : api.calls("watch")) {
      out += (call.watch.send_initial_events ? "list" : call.watch.resource_version) + " ";
    }
    return out;
  }
  std::uint64_t restarts(const std::string& reason) {
    return metrics
        .counter("millrace_watch_restarts_total", "", {{"resource", "pods"}, {"reason", reason}})
        .value();
  }
  std::uint64_t unreadable() {
    return metrics.counter("millrace_watch_undecodable_total", "", {{"resource", "pods"}}).value();
  }

  support::ManualClock clock;
  support::SteppingPause pause{clock};
  MetricsRegistry metrics;
  NullSink sink;
  Logger log{sink, LogLevel::Debug};
  Env env{clock, pause, metrics, log};
  support::FakeApi api{clock};
  InformerOptions<api::Pod> options;
  Guarded<std::string> changes;
  std::unique_ptr<Informer<api::Pod>> informer;
};

TEST_F(InformerTest, WatchListThenEvents) {
  watch({added("a", 5) + added("b", 3), initial_end(10) + modified("a", 11, "Running"),
         deleted("b", 12) + added("c", 13)});
  run();
  EXPECT_TRUE(informer->has_synced());
  EXPECT_TRUE(informer->wait_synced({}, SteadyTime::max()));
  EXPECT_EQ(content(), "a@11 c@13 ");
  EXPECT_EQ(*changes.lock(), "a:->5 b:->3 a:5>11 b:3>- c:->13 ");
  EXPECT_EQ(informer->store().by_index("phase", "Running").size(), 1u);
  EXPECT_EQ(watches(), "list ");
  const std::string text = metrics.text();
  EXPECT_NE(text.find("millrace_cache_objects{resource=\"pods\"} 2\n"), std::string::npos);
  EXPECT_NE(text.find("millrace_cache_bytes{resource=\"pods\"}"), std::string::npos);
}

TEST_F(InformerTest, NothingIsSyncedBeforeTheEnd) {
  watch({added("a", 5)});
  run();
  EXPECT_FALSE(informer->has_synced());
  EXPECT_FALSE(informer->wait_synced({}, clock.steady()));
  EXPECT_EQ(content(), "") << "half a list is never seen";
}

TEST_F(InformerTest, EachCutOfTheStreamGivesTheSame) {
  const std::string text = added("a", 5) + initial_end(10) + modified("a", 11) + deleted("a", 12) +
                           added("b", 13) + bookmark(20);
  for (std::size_t cut = 1; cut < text.size(); cut += 7) {
    support::FakeApi fresh{clock};
    fresh.script_watch({{}, {text.substr(0, cut), text.substr(cut)}});
    Informer<api::Pod> cut_informer(fresh, options, env);
    cut_informer.start();
    ASSERT_TRUE(fresh.wait_until_hanging());
    EXPECT_EQ(cut_informer.store().size(), 1u) << cut;
    EXPECT_TRUE(cut_informer.store().get({"ns", "b"})) << cut;
    cut_informer.stop();
  }
}

TEST_F(InformerTest, CutMidLineResumesWithoutLoss) {
  const std::string change = modified("a", 12, "Running");
  watch({initial_end(10) + added("a", 11), change.substr(0, 30), ""});
  watch({change});
  run();
  EXPECT_EQ(content(), "a@12 ");
  EXPECT_EQ(watches(), "list 11 ");
  EXPECT_EQ(restarts("ended"), 1u);
}

TEST_F(InformerTest, BookmarksMoveTheVersionOn) {
  watch({initial_end(10), bookmark(500), error_of(Code::Unavailable)});
  run();
  EXPECT_EQ(watches(), "list 500 ");
  EXPECT_EQ(restarts("failed"), 1u);
}

TEST_F(InformerTest, ExpiredRelistsAsideAndSeesDeletions) {
  watch({added("a", 5) + added("b", 6) + initial_end(10) + gone()});
  watch({added("b", 6) + added("c", 20), Hang{}});  // not ended yet
  run();
  EXPECT_EQ(content(), "a@5 b@6 ") << "the old content stays readable meanwhile";
  EXPECT_TRUE(informer->has_synced());
  EXPECT_EQ(restarts("expired"), 1u);
}

TEST_F(InformerTest, RelistTellsTheUnionOfOldAndNewKeys) {
  watch({added("a", 5) + added("b", 6) + initial_end(10) + gone()});
  watch({added("b", 6) + added("c", 20) + initial_end(30)});
  run();
  EXPECT_EQ(content(), "b@6 c@20 ");
  EXPECT_EQ(*changes.lock(), "a:->5 b:->6 b:6>6 c:->20 a:5>- ");
  EXPECT_EQ(watches(), "list list ");
}

TEST_F(InformerTest, AnotherObjectOfTheSameNameIsADeletionAndACreation) {
  const auto with_uid = [](const char* uid, int version) {
    return event("MODIFIED", R"({"metadata":{"name":"a","namespace":"ns","uid":")" +
                                 std::string(uid) + R"(","resourceVersion":")" +
                                 std::to_string(version) + R"("}})");
  };
  watch({with_uid("u1", 5) + initial_end(10), with_uid("u1", 11) + with_uid("u2", 14)});
  run();
  EXPECT_EQ(*changes.lock(), "a:->5 a:5>11 a:11>- a:->14 ");
}

TEST_F(InformerTest, ExpiredAsAnAnswer) {
  watch({added("a", 5) + initial_end(10), ""});
  api.script_watch({error_of(Code::Expired), {}});
  watch({initial_end(30)});
  run();
  EXPECT_EQ(content(), "");
  EXPECT_EQ(watches(), "list 10 list ");
}

TEST_F(InformerTest, OlderServerIsReadInPages) {
  options.protocol.page_size = 2;
  api.script_watch({error_of(Code::Invalid), {}});
  api.script_list(page(50, {object("a", 5), object("b", 6)}, "more"));
  api.fail_next("list", error_of(Code::Unavailable), 0);
  api.script_list(page(50, {object("c", 7)}));
  watch({modified("c", 51)});
  run();
  EXPECT_EQ(content(), "a@5 b@6 c@51 ");
  EXPECT_EQ(watches(), "list 50 ");
  const auto lists = api.calls("list");
  ASSERT_EQ(lists.size(), 2u);
  EXPECT_EQ(lists[0].list.limit, 2);
  EXPECT_EQ(lists[0].list.continue_token, "");
  EXPECT_EQ(lists[1].list.continue_token, "more");
}

TEST_F(InformerTest, ExpiredTokenStartsTheListOver) {
  options.protocol.watch_list = false;
  api.script_list(page(50, {object("a", 5)}, "more"));
  api.script_list(fail(Code::Expired, "token"));
  api.script_list(page(60, {object("b", 6)}));
  run();
  EXPECT_EQ(content(), "b@6 ");
  EXPECT_EQ(watches(), "60 ");
}

TEST_F(InformerTest, ServerThatIgnoresWatchListsIsReadInPages) {
  watch({added("a", 5), Silence{}});
  api.script_list(page(50, {object("a", 5)}));
  run();
  EXPECT_EQ(content(), "a@5 ");
  EXPECT_EQ(watches(), "list 50 ");
}

TEST_F(InformerTest, SilenceEndsAWatchALittleAfterItsTimeout) {
  watch({initial_end(10), Silence{}});
  const SteadyTime start = clock.steady();
  run();
  EXPECT_EQ(watches(), "list 10 ");
  EXPECT_EQ(restarts("silent"), 1u);
  const auto timeout = api.calls("watch")[0].watch.timeout;
  EXPECT_GE(timeout, 300s);
  EXPECT_LT(timeout, 600s);
  EXPECT_EQ(clock.steady() - start, timeout + 30s);
}

TEST_F(InformerTest, WriteThroughIsSeenAtOnceAndLateEventsChangeNothing) {
  watch({added("a", 5) + initial_end(10)});
  run();
  api::Pod mine;
  mine.metadata.ns = "ns";
  mine.metadata.name = "a";
  mine.metadata.resource_version = "20";
  mine.metadata.annotations["x"] = "y";
  informer->observe(mine);
  EXPECT_EQ(content(), "a@20 ");
  EXPECT_TRUE(informer->store().get({"ns", "a"})->metadata.annotations.empty()) << "trimmed too";
  EXPECT_TRUE(informer->observe_text(object("n", 21)).ok());
  EXPECT_EQ(informer->observe_text("{").error().code, Code::Malformed);
  EXPECT_EQ(informer->observe_text("{}").error().code, Code::Malformed);
  EXPECT_EQ(*changes.lock(), "a:->5 a:5>20 n:->21 ");
}

TEST_F(InformerTest, LateEventsAfterWriteThrough) {
  // The answers to our writes are in the store before the watch tells of them.
  watch({initial_end(10)});
  run();
  EXPECT_TRUE(informer->observe_text(object("a", 30, "Running")).ok());
  informer->observe_deleted({"ns", "b"}, 40);
  informer->stop();
  EXPECT_EQ(content(), "a@30 ");

  support::FakeApi late{clock};
  late.script_watch({{},
                     {initial_end(10), added("a", 20), added("b", 35), deleted("b", 40),
                      modified("a", 30), modified("a", 50)}});
  Informer<api::Pod> other(late, options, env);
  std::string seen;
  other.on_change([&](const Ref<api::Pod>&, const Ref<api::Pod>& now) {
    seen += now ? now->metadata.name + now->metadata.resource_version + " " : "gone ";
  });
  EXPECT_TRUE(other.observe_text(object("a", 30, "Running")).ok());
  other.observe_deleted({"ns", "b"}, 40);
  other.start();
  ASSERT_TRUE(late.wait_until_hanging());
  other.stop();
  EXPECT_EQ(seen, "a30 a50 ") << "a stays at 30 until 50 comes; b is never brought back";
}

TEST_F(InformerTest, RepeatedAndReorderedEventsEndTheSame) {
  watch({initial_end(10) + added("a", 11) + added("a", 11) + added("b", 14) + modified("a", 12) +
         modified("a", 12) + added("a", 11)});
  run();
  EXPECT_EQ(content(), "a@12 b@14 ");
  EXPECT_EQ(*changes.lock(), "a:->11 b:->14 a:11>12 ");
}

TEST_F(InformerTest, OneUnreadableObjectIsSkipped) {
  const std::string broken =
      R"({"metadata":{"name":"bad","namespace":"ns","resourceVersion":"15"},"status":7})";
  watch({event("ADDED", broken) + added("a", 5) + initial_end(10) + event("MODIFIED", broken) +
             event("ADDED", R"({"metadata":{}})") + event("ADDED", R"({"metadata":[]})") +
             added("b", 16),
         ""});
  run();
  EXPECT_EQ(content(), "a@5 b@16 ");
  EXPECT_EQ(unreadable(), 4u);
  EXPECT_EQ(watches(), "list 16 ") << "the stream was never restarted for it";
}

TEST_F(InformerTest, UnreadableObjectIsDeletedByItsName) {
  watch({added("a", 5) + initial_end(10) +
         event("DELETED",
               R"({"metadata":{"name":"a","namespace":"ns","resourceVersion":"15"},"status":7})")});
  run();
  EXPECT_EQ(content(), "");
}

TEST_F(InformerTest, OneUnreadableItemIsSkippedInAList) {
  options.protocol.watch_list = false;
  api.script_list(page(50, {object("a", 5), R"({"metadata":{"name":"bad"},"status":"no"})", "null",
                            R"("text")", object("b", 6)}));
  run();
  EXPECT_EQ(content(), "a@5 b@6 ");
  EXPECT_EQ(unreadable(), 3u);
}

TEST_F(InformerTest, GarbageIsAskedForAgainOnceThenSkipped) {
  const std::string garbage = "<html>bad gateway</html>\n";
  watch({initial_end(10) + added("a", 11) + garbage + added("b", 12)});
  watch({garbage + added("b", 12)});
  run();
  EXPECT_EQ(content(), "a@11 b@12 ");
  EXPECT_EQ(watches(), "list 11 ");
  EXPECT_EQ(restarts("malformed"), 1u);
  EXPECT_EQ(unreadable(), 1u);
}

TEST_F(InformerTest, HostileBytesNeverCrash) {
  options.protocol.line_limit = 4096;
  watch({initial_end(10) + event("ADDED", std::string(3000, '[')) + "\xff\xfe\x00\n" +
         std::string(100000, 'x') + "\n" + R"({"type":"ADDED","object":)" + "\n" +
         "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"\xc3\x28\"}}}\n" +
         R"({"type":5,"object":{}})" + "\n" + R"({"type":"ERROR","object":5})" + "\n"});
  watch({std::string(200, '\n') + "nonsense\n" + added("a", 20)});
  watch({"nonsense\n" + added("a", 20)});
  run();
  EXPECT_EQ(content(), "a@20 ");
}

TEST_F(InformerTest, RestartsBackOffAndOnlyQuietResetsThem) {
  options.protocol.restart = {200ms, 30s, 2, 0};
  watch({initial_end(10), error_of(Code::Unavailable)});
  api.script_watch({error_of(Code::Unavailable), {}});
  watch({added("a", 11), error_of(Code::Unavailable)});  // a success is not quiet
  Error told = error_of(Code::Throttled);
  told.delay = 9s;
  api.script_watch({told, {}});
  watch({Silence{}});  // five minutes of quiet
  run();
  const std::vector<Duration> want = {0ns, 200ms, 400ms, 9s, 0ns};
  EXPECT_EQ(pause.lengths(), want);
}

TEST_F(InformerTest, StepsOnTheCallersThreadNeverWait) {
  options.protocol.restart = {200ms, 30s, 2, 0};
  watch({added("a", 5), Silence{}, initial_end(10), Silence{}, Silence{}});
  api.script_watch({error_of(Code::Unavailable), {}});
  watch({added("b", 11), Silence{}});
  informer = std::make_unique<Informer<api::Pod>>(api, options, env);
  const SteadyTime start = clock.steady();
  const auto steps = [&] {
    int count = 0;
    while (informer->advance()) ++count;
    return count;
  };
  EXPECT_EQ(steps(), 2) << "opened, and read a";
  EXPECT_FALSE(informer->has_synced());
  EXPECT_EQ(steps(), 1) << "the end of the initial objects";
  EXPECT_TRUE(informer->has_synced());
  EXPECT_EQ(clock.steady(), start);
  clock.advance(informer->next_due() - start);
  EXPECT_EQ(steps(), 2) << "silent, and refused; the first restart is free";
  EXPECT_EQ(informer->next_due(), clock.steady() + 200ms);
  clock.advance(200ms);
  EXPECT_EQ(steps(), 2);
  EXPECT_EQ(content(), "a@5 b@11 ");
  EXPECT_EQ(watches(), "list 10 10 ");
  EXPECT_TRUE(pause.lengths().empty());
}

TEST_F(InformerTest, ServerAwayAtTheStart) {
  api.fail_next("watch", error_of(Code::Unavailable), 3);
  watch({added("a", 5) + initial_end(10)});
  run();
  EXPECT_EQ(content(), "a@5 ");
  EXPECT_EQ(restarts("failed"), 3u);
}

TEST_F(InformerTest, ServerRestoredFromABackup) {
  watch({added("a", 500) + added("b", 900) + initial_end(1000) + gone()});
  watch({added("a", 40) + initial_end(50)});
  run();
  EXPECT_EQ(content(), "a@40 ") << "smaller versions are believed then";
}

TEST_F(InformerTest, SeveralNamespaces) {
  options.namespaces = {"one", "two"};
  watch({initial_end(10)});
  watch({initial_end(10)});
  run(2);
  EXPECT_TRUE(informer->has_synced());
  std::set<std::string> spaces;
  for (const auto& call : api.calls("watch")) spaces.insert(call.key.ns);
  EXPECT_EQ(spaces, (std::set<std::string>{"one", "two"}));
}

TEST_F(InformerTest, SelectorsAndBookmarksAreAskedFor) {
  options.label_selector = "millrace.dev/run";
  options.field_selector = "status.phase!=Unknown";
  watch({initial_end(10)});
  run();
  const auto call = api.calls("watch")[0].watch;
  EXPECT_EQ(call.label_selector, "millrace.dev/run");
  EXPECT_EQ(call.field_selector, "status.phase!=Unknown");
  EXPECT_TRUE(call.bookmarks);
}

}  // namespace
}  // namespace millrace::runtime
