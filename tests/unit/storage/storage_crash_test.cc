// What the world does to the file: kill -9, a full disk, damage.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <sstream>

#include "local/storage/storage.h"
#include "tests/support/temporary_folder.h"

namespace millrace::storage {
namespace {

using Contents = std::map<std::string, std::string>;  // name → JSON

Build draft(std::string text) {
  return [text = std::move(text)](std::uint64_t version) -> Result<Draft> {
    return Draft{"uid", text + "@" + std::to_string(version), {}};
  };
}

/// Write number `i` of an endless story: twenty objects are made, changed and deleted in turns.
Result<RecordRef> write_number(Storage& storage, std::uint64_t i) {
  const Key key{"pods", "a", "n" + std::to_string(i % 20)};
  const Build build = draft(std::string(1 + i * 37 % 5000, 'x'));
  const RecordRef now = *storage.get(key);
  if (now == nullptr) return storage.create(key, build);
  if (i % 7 == 0) return storage.remove(key, now->version, build);
  return storage.update(key, now->version, build);
}

Contents contents(const Storage& storage) {
  const auto listing = storage.list("pods", "", nullptr, 0, 0);
  EXPECT_TRUE(listing.ok()) << listing.error().message;
  Contents all;
  if (!listing.ok()) return all;
  for (const auto& record : listing->records) all[record->key.name] = record->json;
  return all;
}

/// What is there after so many writes.
Contents story(std::uint64_t writes) {
  const auto storage = *open_storage({});
  for (std::uint64_t i = 0; i < writes; ++i) EXPECT_TRUE(write_number(*storage, i).ok());
  return contents(*storage);
}

/// Writes on from where the file stands until killed; tells each version after its write.
[[noreturn]] void write_until_killed(const Options& options, int out) {
  auto opened = open_storage(options);
  if (!opened.ok()) ::_exit(1);
  for (;;) {
    const auto record = write_number(**opened, (*opened)->version() - 1);
    if (!record.ok()) ::_exit(2);
    const std::uint64_t version = (*record)->version;
    if (::write(out, &version, sizeof version) != sizeof version) ::_exit(3);
  }
}

TEST(StorageCrash, KillNineLosesNothingThatWasAcknowledged) {
  support::TemporaryFolder folder;
  Options options;
  options.path = folder.path() + "/data.db";
  options.cache_bytes = 20000;
  std::mt19937 random(4711);
  std::uint64_t version = 1;
  for (int round = 0; round < 12; ++round) {
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::close(pipe[0]);
      write_until_killed(options, pipe[1]);
    }
    ::close(pipe[1]);
    const std::uint64_t enough = version + 1 + random() % 250;
    std::uint64_t told = 0;
    while (::read(pipe[0], &told, sizeof told) == sizeof told) {
      ASSERT_EQ(told, version + 1);
      version = told;
      if (told == enough) ::kill(child, SIGKILL);  // then read what it still had told
    }
    ::close(pipe[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "exit code " << WEXITSTATUS(status);
    ASSERT_GE(version, enough);

    const auto opened = open_storage(options);
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    const std::uint64_t found = (*opened)->version();
    ASSERT_TRUE(found == version || found == version + 1) << found << " after " << version;
    EXPECT_EQ(contents(**opened), story(found - 1));
    version = found;
  }
}

/// A place with little room: a small file system where that may be mounted, else a limit on the
/// size of files.
class SmallDisk {
 public:
  explicit SmallDisk(bool mount) {
    if (mount) {
      mounted_ = ::mount("none", folder_.path().c_str(), "tmpfs", 0, "size=1m") == 0;
    }
    if (mounted_) return;
    old_ = std::signal(SIGXFSZ, SIG_IGN);
    set_limit(600 * 1024);
  }
  ~SmallDisk() {
    if (mounted_) {
      ::umount2(folder_.path().c_str(), MNT_DETACH);
    } else {
      set_limit(RLIM_INFINITY);
      std::signal(SIGXFSZ, old_);
    }
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  std::string path() const { return folder_.path() + "/data.db"; }
  void give_room() const {
    if (mounted_) {
      ASSERT_EQ(::mount("none", folder_.path().c_str(), "tmpfs", MS_REMOUNT, "size=64m"), 0);
    } else {
      set_limit(RLIM_INFINITY);
    }
  }

 private:
  static void set_limit(rlim_t bytes) {
    rlimit limit{};
    ::getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = std::min(bytes, limit.rlim_max);
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }

  support::TemporaryFolder folder_;
  bool mounted_ = false;
  void (*old_)(int) = nullptr;
};

class StorageFullDisk : public testing::TestWithParam<bool> {};

TEST_P(StorageFullDisk, RefusesTheWriteChangesNothingAndRecovers) {
  const SmallDisk disk(GetParam());
  Options options;
  options.path = disk.path();
  options.cache_bytes = 1000;
  auto storage = *open_storage(options);
  Contents want;
  Result<RecordRef> last = RecordRef();
  const auto fill = [&](int from) {
    for (int i = from; i < from + 1000; ++i) {
      const std::string name = "n" + std::to_string(i);
      last = storage->create({"pods", "a", name}, draft(std::string(8000, 'x')));
      if (!last.ok()) return i;
      want[name] = (*last)->json;
    }
    return -1;
  };
  const int failed = fill(0);
  ASSERT_GT(failed, 10);
  EXPECT_EQ(last.error().code, Code::Unavailable);
  EXPECT_NE(last.error().message.find(options.path), std::string::npos) << last.error().message;
  EXPECT_NE(last.error().message.find("free some space"), std::string::npos)
      << last.error().message;
  const std::uint64_t version = want.size() + 1;
  EXPECT_EQ(storage->version(), version);
  EXPECT_EQ(contents(*storage), want);
  // Neither updates nor deletions get half through.
  const Key first{"pods", "a", "n0"};
  const auto updated = storage->update(first, 2, draft(std::string(200000, 'y')));
  EXPECT_FALSE(updated.ok());
  EXPECT_EQ(contents(*storage), want);
  auto subscription = *storage->subscribe("pods", version, nullptr);
  EXPECT_TRUE(subscription->take(10)->empty());
  subscription.reset();

  storage.reset();
  auto again = open_storage(options);
  ASSERT_TRUE(again.ok()) << again.error().message;
  storage = *std::move(again);
  EXPECT_EQ(storage->version(), version);
  EXPECT_EQ(contents(*storage), want);

  disk.give_room();
  EXPECT_EQ(fill(2000), -1);
  EXPECT_EQ(contents(*storage), want);
}

INSTANTIATE_TEST_SUITE_P(All, StorageFullDisk, testing::Bool(), [](const auto& test) {
  return test.param ? "SmallFileSystem" : "LimitOnFiles";
});

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

/// One random kind of damage.
std::string damage(std::string bytes, std::mt19937& random) {
  switch (random() % 4) {
    case 0:
      bytes.resize(random() % bytes.size());
      break;
    case 1:  // one bit
      bytes[random() % bytes.size()] ^= static_cast<char>(1 << random() % 8);
      break;
    case 2:  // a page of zeros
      bytes.replace(random() % (bytes.size() / 4096) * 4096, 4096, 4096, '\0');
      break;
    default: {  // garbage over a stretch
      const std::size_t at = random() % bytes.size();
      const std::size_t end = std::min(bytes.size(), at + 1 + random() % 600);
      for (std::size_t i = at; i < end; ++i) bytes[i] = static_cast<char>(random());
    }
  }
  return bytes;
}

TEST(StorageDamage, IsAnErrorOrHarmlessButNeverASilentLoss) {
  support::TemporaryFolder folder;
  Options options;
  options.path = folder.path() + "/data.db";
  Contents want;
  std::uint64_t version = 0;
  {
    const auto storage = *open_storage(options);
    for (std::uint64_t i = 0; i < 150; ++i) ASSERT_TRUE(write_number(*storage, i).ok());
    want = contents(*storage);
    version = storage->version();
  }
  const std::string whole = read_file(options.path);
  std::mt19937 random(42);
  int refused = 0;
  int unreadable = 0;
  for (int round = 0; round < 400; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    const std::string bytes = damage(whole, random);
    for (const char* suffix : {"-wal", "-shm"}) std::filesystem::remove(options.path + suffix);
    folder.write("data.db", bytes);
    const auto opened = open_storage(options);
    if (!opened.ok()) {
      ++refused;
      EXPECT_EQ(opened.error().code, Code::Malformed);
      EXPECT_NE(opened.error().message.find(options.path), std::string::npos);
      EXPECT_NE(opened.error().message.find("put a good copy back"), std::string::npos)
          << opened.error().message;
      EXPECT_EQ(read_file(options.path) == bytes, true) << "must be left alone";
      continue;
    }
    EXPECT_EQ((*opened)->version(), version);
    for (const auto& [name, json] : want) {
      const auto read = (*opened)->get({"pods", "a", name});
      if (!read.ok()) {
        ++unreadable;
        EXPECT_EQ(read.error().code, Code::Malformed) << read.error().message;
        continue;
      }
      ASSERT_NE(*read, nullptr) << name << " is lost";
      EXPECT_EQ((*read)->json, json);
    }
  }
  EXPECT_GT(refused, 100);
  EXPECT_GT(unreadable, 10);
}

TEST(StorageDamage, FilesOfOthersAndOfLaterReleasesAreLeftAlone) {
  support::TemporaryFolder folder;
  Options options;
  options.path = folder.path() + "/data.db";
  { ASSERT_TRUE(open_storage(options).ok()); }
  const std::string whole = read_file(options.path);
  const struct {
    std::size_t offset;  // in the header: the low byte of a big-endian number
    const char* message;
  } cases[] = {{71, "another program"}, {63, "later release"}};
  for (const auto& c : cases) {
    std::string bytes = whole;
    bytes[c.offset] = static_cast<char>(bytes[c.offset] + 1);
    folder.write("data.db", bytes);
    const auto opened = open_storage(options);
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().code, Code::Malformed);
    EXPECT_NE(opened.error().message.find(c.message), std::string::npos) << opened.error().message;
    EXPECT_EQ(read_file(options.path), bytes);
  }
}

}  // namespace
}  // namespace millrace::storage
