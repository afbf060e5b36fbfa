#include "controllers/expression/matcher.h"

#include <algorithm>
#include <limits>
#include <string>

namespace millrace::expression {
namespace {

constexpr std::size_t kMaxStates = 2000;
constexpr std::size_t kMaxRepeat = 200;
constexpr int kMaxDepth = 32;
constexpr char32_t kLast = 0x10ffff;

/// The character at `at`, which moves on; a byte that is no UTF-8 counts as itself.
char32_t take_character(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0U;
  };
  const unsigned first = byte(0);
  const std::size_t length = first < 0xc2 ? 1 : (first < 0xe0 ? 2 : (first < 0xf0 ? 3 : 4));
  char32_t code = length == 1 ? first : first & (0x7fU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) {
      ++at;
      return first;
    }
    code = (code << 6) | (byte(i) & 0x3f);
  }
  at += length;
  return code;
}

}  // namespace

bool Matcher::Set::has(char32_t c) const {
  const bool inside = std::ranges::any_of(
      ranges, [c](const auto& range) { return c >= range.first && c <= range.second; });
  return inside != negated;
}

/// Parses to a tree, then writes states from the end to the start.
class Matcher::Compiler {
 public:
  Compiler(std::string_view pattern, Matcher& out) : pattern_(pattern), out_(out) {}

  Result<> run() {
    MR_ASSIGN(const std::size_t root, alternatives(0));
    if (at_ < pattern_.size()) return error("`)` without `(`");
    MR_ASSIGN(const std::size_t match, emit({State::Kind::Match, 0, 0, 0}));
    MR_ASSIGN(out_.start_, states_of(root, match));
    return {};
  }

 private:
  struct Tree {
    enum class Kind { Empty, Set, Begin, End, Sequence, Either, Repeat } kind = Kind::Empty;
    std::size_t set = 0;
    std::vector<std::size_t> kids;
    std::size_t least = 0;
    std::size_t most = 0;  ///< kNoEnd: any number
  };
  static constexpr std::size_t kNoEnd = std::numeric_limits<std::size_t>::max();

  tl::unexpected<Error> error(const std::string& message) const {
    return fail(Code::Invalid, "pattern, at " + std::to_string(at_ + 1) + ": " + message);
  }
  bool at_end() const { return at_ == pattern_.size(); }
  bool next_is(char c) const { return !at_end() && pattern_[at_] == c; }

  Result<std::size_t> make(Tree tree) {
    if (trees_.size() >= 4 * kMaxStates) return error("the pattern is too long");
    trees_.push_back(std::move(tree));
    return trees_.size() - 1;
  }
  Result<std::size_t> emit(State state) {
    if (out_.states_.size() >= kMaxStates) return fail(Code::Invalid, "the pattern is too large");
    out_.states_.push_back(state);
    return out_.states_.size() - 1;
  }

  Result<std::size_t> alternatives(int depth) {
    if (depth > kMaxDepth) return error("groups are nested too deep");
    Tree either;
    either.kind = Tree::Kind::Either;
    while (true) {
      Tree sequence;
      sequence.kind = Tree::Kind::Sequence;
      while (!at_end() && !next_is('|') && !next_is(')')) {
        MR_ASSIGN(const std::size_t one, repeated(depth));
        sequence.kids.push_back(one);
      }
      MR_ASSIGN(const std::size_t done, make(std::move(sequence)));
      either.kids.push_back(done);
      if (!next_is('|')) return make(std::move(either));
      ++at_;
    }
  }

  Result<std::size_t> repeated(int depth) {
    MR_ASSIGN(const std::size_t one, atom(depth));
    Tree repeat;
    repeat.kind = Tree::Kind::Repeat;
    repeat.kids = {one};
    if (next_is('*') || next_is('+') || next_is('?')) {
      const char c = pattern_[at_++];
      repeat.least = c == '+' ? 1 : 0;
      repeat.most = c == '?' ? 1 : kNoEnd;
    } else if (next_is('{')) {
      MR_TRY(counts(repeat));
    } else {
      return one;
    }
    if (next_is('?')) ++at_;  // whether it is greedy makes no difference for yes and no
    if (next_is('*') || next_is('+') || next_is('?') || next_is('{')) {
      return error("two repetitions in a row; put the first into ( )");
    }
    return make(std::move(repeat));
  }

  Result<> counts(Tree& repeat) {
    ++at_;
    const auto number = [&]() -> std::size_t {
      std::size_t n = 0;
      while (!at_end() && pattern_[at_] >= '0' && pattern_[at_] <= '9') {
        n = std::min<std::size_t>(n * 10 + static_cast<std::size_t>(pattern_[at_++] - '0'),
                                  kMaxRepeat + 1);
      }
      return n;
    };
    const auto digit = [&] { return !at_end() && pattern_[at_] >= '0' && pattern_[at_] <= '9'; };
    if (!digit()) return error("expected a number after `{`; write `\\{` for the character");
    repeat.least = repeat.most = number();
    if (next_is(',')) {
      ++at_;
      repeat.most = digit() ? number() : kNoEnd;
    }
    if (!next_is('}')) return error("`{` is not closed");
    ++at_;
    const bool good = repeat.least <= kMaxRepeat && repeat.least <= repeat.most &&
                      (repeat.most <= kMaxRepeat || repeat.most == kNoEnd);
    if (!good) return error("repetitions go up to " + std::to_string(kMaxRepeat));
    return {};
  }

  Result<std::size_t> atom(int depth) {
    const char c = pattern_[at_];
    if (c == '*' || c == '+' || c == '?' || c == '{') return error("nothing to repeat here");
    if (c == '^' || c == '$') {
      ++at_;
      Tree edge;
      edge.kind = c == '^' ? Tree::Kind::Begin : Tree::Kind::End;
      return make(std::move(edge));
    }
    if (c == '(') {
      ++at_;
      if (pattern_.substr(at_, 2) == "?:") at_ += 2;
      if (next_is('?')) return error("`(?` is known as `(?:` only");
      MR_ASSIGN(const std::size_t inner, alternatives(depth + 1));
      if (!next_is(')')) return error("`(` is not closed");
      ++at_;
      return inner;
    }
    Set set;
    if (c == '[') {
      MR_TRY(bracket(set));
    } else if (c == '.') {
      ++at_;
      set.ranges = {{U'\n', U'\n'}};
      set.negated = true;
    } else if (c == '\\') {
      MR_TRY(escape(set));
    } else {
      const char32_t code = take_character(pattern_, at_);
      set.ranges = {{code, code}};
    }
    out_.sets_.push_back(std::move(set));
    Tree tree;
    tree.kind = Tree::Kind::Set;
    tree.set = out_.sets_.size() - 1;
    return make(std::move(tree));
  }

  /// Adds what a backslash stands for.
  Result<> escape(Set& set) {
    ++at_;
    if (at_end()) return error("a backslash at the end");
    const char c = pattern_[at_++];
    using Ranges = std::vector<std::pair<char32_t, char32_t>>;
    const auto add = [&](const Ranges& ranges) {
      set.ranges.insert(set.ranges.end(), ranges.begin(), ranges.end());
    };
    switch (c) {
      case 'd':
        add({{'0', '9'}});
        return {};
      case 'D':
        add({{0, '0' - 1}, {'9' + 1, kLast}});
        return {};
      case 'w':
        add({{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}});
        return {};
      case 'W':
        add({{0, '0' - 1},
             {'9' + 1, 'A' - 1},
             {'Z' + 1, '_' - 1},
             {'_' + 1, 'a' - 1},
             {'z' + 1, kLast}});
        return {};
      case 's':
        add({{'\t', '\r'}, {' ', ' '}});
        return {};
      case 'S':
        add({{0, '\t' - 1}, {'\r' + 1, ' ' - 1}, {' ' + 1, kLast}});
        return {};
      case 'n':
        add({{'\n', '\n'}});
        return {};
      case 'r':
        add({{'\r', '\r'}});
        return {};
      case 't':
        add({{'\t', '\t'}});
        return {};
      default:
        break;
    }
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter || static_cast<unsigned char>(c) >= 0x80) return error("unknown escape");
    add({{static_cast<char32_t>(c), static_cast<char32_t>(c)}});
    return {};
  }

  Result<> bracket(Set& set) {
    ++at_;
    if (next_is('^')) {
      set.negated = true;
      ++at_;
    }
    bool first = true;
    while (first || !next_is(']')) {
      if (at_end()) return error("`[` is not closed");
      if (set.ranges.size() > kMaxStates) return error("`[ ]` is too long");
      first = false;
      const std::size_t before = set.ranges.size();
      if (next_is('\\')) {
        MR_TRY(escape(set));
      } else {
        const char32_t code = take_character(pattern_, at_);
        set.ranges.emplace_back(code, code);
      }
      const bool single =
          set.ranges.size() == before + 1 && set.ranges[before].first == set.ranges[before].second;
      const bool range =
          single && next_is('-') && at_ + 1 < pattern_.size() && pattern_[at_ + 1] != ']';
      if (!range) continue;
      ++at_;
      Set end;
      if (next_is('\\')) {
        MR_TRY(escape(end));
      } else {
        const char32_t code = take_character(pattern_, at_);
        end.ranges.emplace_back(code, code);
      }
      const char32_t last = end.ranges[0].second;
      if (end.ranges.size() != 1 || end.ranges[0].first != last ||
          last < set.ranges[before].first) {
        return error("the range in `[ ]` ends before it begins");
      }
      set.ranges[before].second = last;
    }
    ++at_;
    return {};
  }

  /// States for a tree that go on to `next`; gives where they begin.
  Result<std::size_t> states_of(std::size_t id, std::size_t next) {
    // Empty groups that repeat make no states, yet could be visited without end.
    if (++visits_ > 10 * kMaxStates) return fail(Code::Invalid, "the pattern is too large");
    const Tree& tree = trees_[id];
    switch (tree.kind) {
      case Tree::Kind::Empty:
        return next;
      case Tree::Kind::Set:
        return emit({State::Kind::Set, next, 0, tree.set});
      case Tree::Kind::Begin:
        return emit({State::Kind::Begin, next, 0, 0});
      case Tree::Kind::End:
        return emit({State::Kind::End, next, 0, 0});
      case Tree::Kind::Sequence:
        for (auto kid = tree.kids.rbegin(); kid != tree.kids.rend(); ++kid) {
          MR_ASSIGN(next, states_of(*kid, next));
        }
        return next;
      case Tree::Kind::Either: {
        MR_ASSIGN(std::size_t begin, states_of(tree.kids.back(), next));
        for (std::size_t i = tree.kids.size() - 1; i-- > 0;) {
          MR_ASSIGN(const std::size_t branch, states_of(tree.kids[i], next));
          MR_ASSIGN(begin, emit({State::Kind::Split, branch, begin, 0}));
        }
        return begin;
      }
      case Tree::Kind::Repeat:
        return repeat_states(tree, next);
    }
    return next;
  }

  Result<std::size_t> repeat_states(const Tree& tree, std::size_t next) {
    const std::size_t kid = tree.kids[0];
    if (tree.most == kNoEnd) {
      MR_ASSIGN(const std::size_t loop, emit({State::Kind::Split, 0, next, 0}));
      MR_ASSIGN(const std::size_t body, states_of(kid, loop));
      out_.states_[loop].next = body;
      next = loop;
    } else {
      const std::size_t after = next;
      for (std::size_t i = tree.least; i < tree.most; ++i) {
        MR_ASSIGN(const std::size_t body, states_of(kid, next));
        MR_ASSIGN(next, emit({State::Kind::Split, body, after, 0}));
      }
    }
    for (std::size_t i = 0; i < tree.least; ++i) {
      MR_ASSIGN(next, states_of(kid, next));
    }
    return next;
  }

  std::string_view pattern_;
  Matcher& out_;
  std::size_t at_ = 0;
  std::size_t visits_ = 0;
  std::vector<Tree> trees_;
};

/// The set of states that the text so far leads to.
class Matcher::Run {
 public:
  explicit Run(const Matcher& matcher) : matcher_(matcher), seen_(matcher.states_.size(), 0) {}

  bool found_in(std::string_view text) {
    std::size_t at = 0;
    while (true) {
      ++round_;
      std::swap(now_, next_);
      next_.clear();
      for (const std::size_t state : now_) follow(state, at == 0, at == text.size());
      follow(matcher_.start_, at == 0, at == text.size());
      if (matched_) return true;
      if (at == text.size()) return false;
      const char32_t c = take_character(text, at);
      now_.clear();
      std::swap(now_, next_);
      for (const std::size_t state : now_) {
        const State& set = matcher_.states_[state];
        if (matcher_.sets_[set.set].has(c)) next_.push_back(set.next);
      }
    }
  }

 private:
  /// Adds the Set states that `state` leads to without a character.
  void follow(std::size_t state, bool begin, bool end) {
    stack_.assign(1, state);
    while (!stack_.empty()) {
      const std::size_t id = stack_.back();
      stack_.pop_back();
      if (seen_[id] == round_) continue;
      seen_[id] = round_;
      const State& one = matcher_.states_[id];
      switch (one.kind) {
        case State::Kind::Set:
          next_.push_back(id);
          break;
        case State::Kind::Split:
          stack_.push_back(one.other);
          stack_.push_back(one.next);
          break;
        case State::Kind::Begin:
          if (begin) stack_.push_back(one.next);
          break;
        case State::Kind::End:
          if (end) stack_.push_back(one.next);
          break;
        case State::Kind::Match:
          matched_ = true;
          break;
      }
    }
  }

  const Matcher& matcher_;
  std::vector<std::size_t> seen_;  ///< by state: the last round it was added in
  std::vector<std::size_t> now_;
  std::vector<std::size_t> next_;
  std::vector<std::size_t> stack_;
  std::size_t round_ = 0;
  bool matched_ = false;
};

Result<Matcher> Matcher::parse(std::string_view pattern) {
  Matcher out;
  MR_TRY(Compiler(pattern, out).run());
  return out;
}

std::size_t Matcher::cost() const {
  std::size_t sum = 0;
  for (const State& state : states_) {
    sum += 1 + (state.kind == State::Kind::Set ? sets_[state.set].ranges.size() : 0);
  }
  return sum;
}

bool Matcher::found_in(std::string_view text) const { return Run(*this).found_in(text); }

}  // namespace millrace::expression
