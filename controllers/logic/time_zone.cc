#include "controllers/logic/time_zone.h"

#include <algorithm>
#include <cstdint>
#include <optional>

namespace millrace::logic {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

/// Far enough from both ends of the range that adding an offset cannot overflow.
constexpr SysSeconds kBeginning{seconds{-(std::int64_t{1} << 50)}};
constexpr LocalSeconds kNeverShown{seconds{-(std::int64_t{1} << 51)}};
constexpr int kFirstYear = 1970;
constexpr int kLastYear = 2200;

struct Shift {
  SysSeconds at;
  seconds offset;
};

/// Big-endian numbers from a byte string; a short read is remembered, not thrown.
class Bytes {
 public:
  explicit Bytes(std::string_view data) : data_(data) {}

  std::string_view take(std::size_t n) {
    if (n > data_.size()) {
      bad_ = true;
      data_ = {};
      return {};
    }
    const std::string_view part = data_.substr(0, n);
    data_.remove_prefix(n);
    return part;
  }
  std::int64_t number(std::size_t width) {
    const std::string_view part = take(width);
    if (part.empty()) return 0;
    std::uint64_t value =
        (static_cast<unsigned char>(part[0]) & 0x80U) != 0 ? ~std::uint64_t{0} : 0;
    for (const char c : part) value = value << 8 | static_cast<unsigned char>(c);
    return static_cast<std::int64_t>(value);
  }
  std::size_t count() { return static_cast<std::size_t>(number(4) & 0xFFFFFFFF); }
  std::string_view rest() const { return data_; }
  bool bad() const { return bad_; }

 private:
  std::string_view data_;
  bool bad_ = false;
};

struct Header {
  char version = 0;
  std::size_t isut = 0, isstd = 0, leap = 0, time = 0, type = 0, chars = 0;

  std::size_t body(std::size_t width) const {
    return time * (width + 1) + type * 6 + chars + leap * (width + 4) + isstd + isut;
  }
};

std::optional<Header> read_header(Bytes& bytes) {
  if (bytes.take(4) != "TZif") return std::nullopt;
  Header h;
  const std::string_view version = bytes.take(1);
  if (version.empty()) return std::nullopt;
  h.version = version[0];
  bytes.take(15);
  h.isut = bytes.count();
  h.isstd = bytes.count();
  h.leap = bytes.count();
  h.time = bytes.count();
  h.type = bytes.count();
  h.chars = bytes.count();
  constexpr std::size_t kSane = 100'000;  // real files hold a few hundred of each
  const bool sane = std::max({h.isut, h.isstd, h.leap, h.time, h.type, h.chars}) < kSane;
  if (bytes.bad() || !sane || h.type == 0 || h.type > 256) return std::nullopt;
  return h;
}

/// One date of a POSIX TZ rule with the wall-clock time at which the change happens.
struct RuleDate {
  enum class Form { Month, Julian, ZeroBased } form = Form::Month;
  unsigned month = 1, week = 1, weekday = 0;
  int day = 0;
  seconds time{hours{2}};

  LocalSeconds in(int year) const {
    using namespace std::chrono;
    const std::chrono::year y{year};
    sys_days date;
    if (form == Form::Month) {
      const std::chrono::weekday wd{weekday};
      const auto m = y / std::chrono::month{month};
      date = week == 5 ? sys_days{m / wd[last]} : sys_days{m / wd[week]};
    } else {
      date = sys_days{y / January / 1} + days{form == Form::Julian ? day - 1 : day};
      // "Jn" never counts 29 February.
      if (form == Form::Julian && y.is_leap() && day >= 60) date += days{1};
    }
    return LocalSeconds{date.time_since_epoch()} + time;
  }
};

/// The POSIX TZ string of a footer: `CET-1CEST,M3.5.0,M10.5.0/3`.
struct Rule {
  seconds standard{0};
  std::optional<seconds> daylight;
  RuleDate start, end;
};

class RuleReader {
 public:
  explicit RuleReader(std::string_view text) : text_(text) {}

  std::optional<Rule> read() {
    Rule rule;
    if (!name() || !clock(rule.standard)) return std::nullopt;
    rule.standard = -rule.standard;  // POSIX counts west of Greenwich
    if (text_.empty()) return rule;
    if (!name()) return std::nullopt;
    seconds daylight = -(rule.standard + hours{1});
    if (!text_.empty() && text_[0] != ',' && !clock(daylight)) return std::nullopt;
    rule.daylight = -daylight;
    if (!date(rule.start) || !date(rule.end) || !text_.empty()) return std::nullopt;
    return rule;
  }

 private:
  bool skip(char c) {
    if (text_.empty() || text_[0] != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool number(int& value, int low, int high) {
    std::size_t n = 0;
    value = 0;
    while (n < text_.size() && n < 4 && text_[n] >= '0' && text_[n] <= '9') {
      value = value * 10 + (text_[n++] - '0');
    }
    text_.remove_prefix(n);
    return n > 0 && value >= low && value <= high;
  }
  bool name() {
    std::size_t n = 0;
    if (skip('<')) {
      n = text_.find('>');
      if (n == std::string_view::npos) return false;
      text_.remove_prefix(n + 1);
      return true;
    }
    while (n < text_.size() && ((text_[n] | 0x20) >= 'a' && (text_[n] | 0x20) <= 'z')) ++n;
    text_.remove_prefix(n);
    return n >= 3;
  }
  /// [+-]hhh[:mm[:ss]]
  bool clock(seconds& value) {
    const bool negative = skip('-');
    if (!negative) skip('+');
    int h = 0, m = 0, s = 0;
    if (!number(h, 0, 167)) return false;
    if (skip(':') && !number(m, 0, 59)) return false;
    if (skip(':') && !number(s, 0, 59)) return false;
    value = hours{h} + minutes{m} + seconds{s};
    if (negative) value = -value;
    return true;
  }
  bool date(RuleDate& out) {
    if (!skip(',')) return false;
    int m = 0, w = 0, d = 0;
    if (skip('M')) {
      if (!number(m, 1, 12) || !skip('.') || !number(w, 1, 5) || !skip('.') || !number(d, 0, 6)) {
        return false;
      }
      out.month = static_cast<unsigned>(m);
      out.week = static_cast<unsigned>(w);
      out.weekday = static_cast<unsigned>(d);
    } else if (skip('J')) {
      out.form = RuleDate::Form::Julian;
      if (!number(out.day, 1, 365)) return false;
    } else {
      out.form = RuleDate::Form::ZeroBased;
      if (!number(out.day, 0, 365)) return false;
    }
    return !skip('/') || clock(out.time);
  }

  std::string_view text_;
};

/// Write out the changes of `rule` that follow the last of `shifts`.
void extend(std::vector<Shift>& shifts, const Rule& rule) {
  const SysSeconds last = shifts.size() > 1 ? shifts.back().at : kBeginning;
  if (!rule.daylight) {
    if (shifts.size() == 1) shifts.back().offset = rule.standard;
    return;
  }
  const int from = last == kBeginning
                       ? kFirstYear
                       : int(std::chrono::year_month_day{std::chrono::floor<days>(last)}.year());
  std::vector<Shift> more;
  for (int year = from; year <= kLastYear; ++year) {
    const auto at = [&](const RuleDate& date, seconds offset) {
      return SysSeconds{(date.in(year)-offset).time_since_epoch()};
    };
    more.push_back({at(rule.start, rule.standard), *rule.daylight});
    more.push_back({at(rule.end, *rule.daylight), rule.standard});
  }
  std::stable_sort(more.begin(), more.end(),
                   [](const Shift& a, const Shift& b) { return a.at < b.at; });
  for (const Shift& shift : more) {
    if (shift.at > last) shifts.push_back(shift);
  }
}

struct Block {
  std::vector<Shift> shifts;  ///< the first one is "since ever"
};

std::optional<Block> read_block(Bytes& bytes, const Header& h, std::size_t width) {
  std::vector<std::int64_t> times;
  times.reserve(h.time);
  for (std::size_t i = 0; i < h.time; ++i) times.push_back(bytes.number(width));
  const std::string_view kinds = bytes.take(h.time);
  std::vector<seconds> offsets;
  for (std::size_t i = 0; i < h.type; ++i) {
    offsets.emplace_back(bytes.number(4));
    bytes.take(2);
    if (offsets.back() > hours{26} || offsets.back() < -hours{26}) return std::nullopt;
  }
  bytes.take(h.chars + h.leap * (width + 4) + h.isstd + h.isut);
  if (bytes.bad() || h.leap != 0) return std::nullopt;
  Block block;
  block.shifts.push_back({kBeginning, offsets[0]});
  for (std::size_t i = 0; i < h.time; ++i) {
    const auto kind = static_cast<unsigned char>(kinds[i]);
    if (kind >= offsets.size()) return std::nullopt;
    const SysSeconds at{seconds{times[i]}};
    if (at <= kBeginning) continue;  // "the big bang" of some old files
    if (at <= block.shifts.back().at || times[i] > (std::int64_t{1} << 50)) return std::nullopt;
    block.shifts.push_back({at, offsets[kind]});
  }
  return block;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
    if (c == ' ') c = '_';
  }
  return out;
}

/// Levenshtein distance.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, change});
    }
  }
  return row[b.size()];
}

}  // namespace

Result<TimeZone> TimeZone::parse(std::string_view name, std::string_view tzif) {
  const auto bad = [&](std::string_view why) {
    return fail(Code::Malformed, "time zone data of \"" + std::string(name.substr(0, 64)) +
                                     "\" cannot be read: " + std::string(why));
  };
  Bytes bytes(tzif);
  auto header = read_header(bytes);
  if (!header) return bad("it is not a TZif file");
  std::size_t width = 4;
  if (header->version >= '2') {  // the first block repeats the data in 32 bits
    bytes.take(header->body(width));
    header = read_header(bytes);
    width = 8;
    if (!header) return bad("its 64-bit part is missing");
  }
  if (header->leap != 0) return bad("it counts leap seconds");
  auto block = read_block(bytes, *header, width);
  if (!block) return bad("it is cut short or inconsistent");
  if (width == 8) {
    std::string_view footer = bytes.rest();
    if (footer.size() < 2 || footer.front() != '\n') return bad("its footer is missing");
    footer.remove_prefix(1);
    footer = footer.substr(0, footer.find('\n'));
    if (!footer.empty()) {
      const auto rule = RuleReader(footer).read();
      if (!rule) return bad("the rule in its footer is not understood");
      extend(block->shifts, *rule);
    }
  }
  auto segments = std::make_shared<Segments>();
  for (const Shift& shift : block->shifts) {
    if (segments->empty()) {
      segments->push_back({shift.at, shift.offset, kNeverShown});
      continue;
    }
    const Segment& last = segments->back();
    if (last.offset == shift.offset) continue;  // only the abbreviation changed
    const LocalSeconds end{(shift.at + last.offset).time_since_epoch()};
    segments->push_back({shift.at, shift.offset, std::max(last.peak_before, end)});
  }
  TimeZone zone;
  zone.name_ = std::string(name);
  zone.segments_ = std::move(segments);
  return zone;
}

const TimeZone::Segment& TimeZone::segment_at(SysSeconds time) const {
  const auto after = std::upper_bound(segments_->begin() + 1, segments_->end(), time,
                                      [](SysSeconds t, const Segment& s) { return t < s.begin; });
  return *(after - 1);
}

seconds TimeZone::offset_at(SysSeconds time) const {
  return segments_ ? segment_at(time).offset : seconds{0};
}

LocalSeconds TimeZone::high_water(SysSeconds time) const {
  if (!segments_) return LocalSeconds{time.time_since_epoch()};
  const Segment& segment = segment_at(time);
  const LocalSeconds shown{(time + segment.offset).time_since_epoch()};
  return std::max(shown, segment.peak_before - seconds{1});
}

SysSeconds TimeZone::first_reaching(LocalSeconds reading) const {
  if (!segments_) return SysSeconds{reading.time_since_epoch()};
  // The segment before the first one whose predecessors have already shown `reading`.
  const auto after =
      std::upper_bound(segments_->begin() + 1, segments_->end(), reading,
                       [](LocalSeconds r, const Segment& s) { return r < s.peak_before; });
  const Segment& segment = *(after - 1);
  return std::max(segment.begin, SysSeconds{reading.time_since_epoch()} - segment.offset);
}

bool is_zone_name(std::string_view name) {
  if (name.empty() || name.size() > 64 || name.front() == '/' || name.back() == '/') return false;
  bool part_empty = true;
  for (const char c : name) {
    const bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    const bool other = (c >= '0' && c <= '9') || c == '_' || c == '+' || c == '-';
    if (c == '/' && part_empty) return false;
    if (c != '/' && !letter && !other) return false;
    part_empty = c == '/';
  }
  return true;
}

std::string suggest_zone(std::string_view name, const std::vector<std::string>& known) {
  const std::string wanted = lower(name.substr(0, 64));
  std::string best;
  std::size_t best_distance = 3;  // more than two slips is another name
  for (const std::string& candidate : known) {
    const std::string have = lower(candidate);
    const std::size_t slash = have.rfind('/');
    const std::string city = slash == std::string::npos ? have : have.substr(slash + 1);
    const std::size_t d = std::min(distance(wanted, have), distance(wanted, city));
    if (d < best_distance) {
      best_distance = d;
      best = candidate;
    }
  }
  return best;
}

}  // namespace millrace::logic
