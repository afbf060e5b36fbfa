#include "operator/cli/text.h"

#include <algorithm>
#include <cstdio>

namespace millrace::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const char* code_of(Tint tint) {
  switch (tint) {
    case Tint::Red:
      return "\x1b[31m";
    case Tint::Green:
      return "\x1b[32m";
    case Tint::Yellow:
      return "\x1b[33m";
    case Tint::Dim:
      return "\x1b[2m";
    case Tint::Bold:
      return "\x1b[1m";
    case Tint::None:
      break;
  }
  return "";
}

/// "3m04s".
std::string two_units(long long large, char large_unit, long long small, char small_unit) {
  char text[48];
  std::snprintf(text, sizeof text, "%lld%c%02lld%c", large, large_unit, small, small_unit);
  return text;
}

/// Columns that `text` takes: its code points.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

}  // namespace

std::string tinted(Look look, Tint tint, std::string_view text) {
  const std::string code = code_of(tint);
  if (look == Look::Plain || code.empty() || text.empty()) return std::string(text);
  return code + std::string(text) + "\x1b[0m";
}

std::string span(Duration length) {
  if (length < Duration::zero()) length = Duration::zero();
  const auto ms = std::chrono::duration_cast<milliseconds>(length).count();
  if (ms < 1000) return std::to_string(ms) + "ms";
  const long long s = ms / 1000;
  if (s < 60) return std::to_string(s) + "s";
  if (s < 3600) return two_units(s / 60, 'm', s % 60, 's');
  if (s < 86400) return two_units(s / 3600, 'h', s % 3600 / 60, 'm');
  return two_units(s / 86400, 'd', s % 86400 / 3600, 'h');
}

std::string span(Time from, Time to) { return from == to ? "<1s" : span(Duration(to - from)); }

std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\r') continue;
    out += (byte < ' ' && c != '\n' && c != '\t') || byte == 0x7f ? '?' : c;
  }
  return out;
}

std::string one_line(std::string_view text, std::size_t limit) {
  std::string out = printable(text);
  while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) out.pop_back();
  std::replace(out.begin(), out.end(), '\n', ' ');
  std::replace(out.begin(), out.end(), '\t', ' ');
  if (out.size() <= limit) return out;
  std::size_t end = limit;  // not within a character
  while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xC0) == 0x80) --end;
  return out.substr(0, end) + "...";
}

std::string joined(const std::vector<std::string>& words, std::string_view none) {
  if (words.empty()) return std::string(none);
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

std::string joined_few(const std::vector<std::string>& words) {
  constexpr std::size_t kFew = 3;
  if (words.size() <= kFew + 1) return joined(words);
  return joined({words.begin(), words.begin() + kFew}) + " and " +
         std::to_string(words.size() - kFew) + " more";
}

Tint tint_of(crds::StepPhase state) {
  switch (state) {
    case crds::StepPhase::Succeeded:
      return Tint::Green;
    case crds::StepPhase::Failed:
      return Tint::Red;
    case crds::StepPhase::Running:
      return Tint::Yellow;
    case crds::StepPhase::Pending:
    case crds::StepPhase::Skipped:
      break;
  }
  return Tint::Dim;
}

std::string symbol(Look look, const crds::StepState& step) {
  if (look == Look::Plain) return "";
  switch (step.state) {
    case crds::StepPhase::Succeeded:
      return "✔";
    case crds::StepPhase::Failed:
      return "✘";
    case crds::StepPhase::Running:
      return "●";
    case crds::StepPhase::Skipped:
      return "-";
    case crds::StepPhase::Pending:
      break;
  }
  return step.waiting ? "…" : "○";
}

std::string Table::text(Look look, std::size_t indent) const {
  std::vector<std::size_t> width(header_.size());
  std::vector<bool> used(header_.size());
  for (std::size_t i = 0; i < header_.size(); ++i) {
    width[i] = width_of(header_[i]);
    used[i] = i == 0;
    for (const auto& row : rows_) {
      if (i >= row.size() || row[i].text.empty()) continue;
      used[i] = true;
      width[i] = std::max(width[i], width_of(row[i].text));
    }
  }
  std::string out;
  const auto append = [&](const auto& cell_at) {
    std::string line(indent, ' ');
    std::string blanks;
    for (std::size_t i = 0; i < header_.size(); ++i) {
      if (!used[i]) continue;
      const Cell cell = cell_at(i);
      if (!cell.text.empty()) line += blanks + tinted(look, cell.tint, cell.text);
      if (!cell.text.empty()) blanks.clear();
      blanks.append(width[i] - width_of(cell.text) + 3, ' ');
    }
    out += line + "\n";
  };
  const bool titled =
      std::any_of(header_.begin(), header_.end(), [](const auto& title) { return !title.empty(); });
  if (titled) append([&](std::size_t i) { return Cell{header_[i], Tint::None}; });
  for (const auto& row : rows_) {
    append([&](std::size_t i) { return i < row.size() ? row[i] : Cell{}; });
  }
  return out;
}

}  // namespace millrace::cli
