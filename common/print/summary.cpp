// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "print/summary.h"

#include <algorithm>
#include <functional>
#include <span>
#include <unordered_map>

namespace needle {
namespace {

constexpr std::size_t kRows = 32768, kBytes = 4u << 20;
constexpr std::size_t kWidth = 7;  // of a count

struct Hash : std::hash<std::string_view> {
  using is_transparent = void;
};

class Summary final : public Output {
 public:
  Summary(std::unique_ptr<Output> lines, bool json, unsigned top) : lines_(std::move(lines)), json_(json), top_(top) {}

  void begin(Buffer& out, const Start& start) override {
    heading_.clear();
    lines_->begin(json_ ? out : heading_, start);
  }
  // What a line would be is what is counted.
  void event(Buffer&, const Record& r) override {
    line_.clear();
    lines_->event(line_, r);
    events_++;
    if (const auto row = rows_.find(std::string_view(line_)); row != rows_.end()) row->second++;
    else if (rows_.size() < kRows && bytes_ + line_.size() <= kBytes) {
      bytes_ += line_.size();
      rows_.emplace(line_, 1);
    }
  }
  void missing(Buffer& out, std::string_view what, std::uint64_t now, std::uint64_t total) override {
    if (json_) lines_->missing(out, what, now, total);
  }
  void end(Buffer& out, const End& end) override { lines_->end(out, end); }

  void summary(Buffer& out, unsigned screen) override {
    std::vector<const Row*> rows;
    for (const Row& row : rows_) rows.push_back(&row);
    const auto before = [](const Row* a, const Row* b) {
      return a->second != b->second ? a->second > b->second : a->first < b->first;
    };
    std::size_t shown = top_ > 0 ? std::min<std::size_t>(top_, rows.size()) : rows.size();
    if (screen > 2) shown = std::min<std::size_t>(shown, screen - 2);  // but for the heading and the cursor's row
    std::partial_sort(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(shown), rows.end(), before);
    std::uint64_t other = events_;
    const std::size_t start = out.size();
    if (!heading_.empty()) put(out, "COUNT", heading_);
    for (const Row* row : std::span(rows).first(shown)) {
      put(out, row->second, row->first);
      other -= row->second;
    }
    if (other > 0) put(out, other, json_ ? "null\n" : other_row());
    if (screen == 0) return;
    // From the top of the screen, no line longer than it, nothing behind them.
    std::string lines;
    for (const char c : std::string_view(out).substr(start)) lines += c == '\n' ? "\x1b[K\n" : std::string(1, c);
    out.replace(start, out.npos, "\x1b[H\x1b[?7l" + lines + "\x1b[?7h\x1b[J");
  }

 private:
  using Row = std::pair<const std::string, std::uint64_t>;

  // A word for each column. No name can forge it: see Format<ev_str>.
  std::string other_row() const {
    std::string row = "\\other";
    for (std::size_t at = 1; at < heading_.size(); at++)
      if (heading_[at] != ' ' && heading_[at] != '\n' && heading_[at - 1] == ' ' &&
          heading_.find_last_not_of(' ', at - 1) != heading_.npos)
        row += " -";
    return row + '\n';
  }
  void put(Buffer& out, std::string_view count, std::string_view line) const {
    out.append(count.size() < kWidth ? kWidth - count.size() : 0, ' ');
    out += count;
    out += ' ';
    out += line;
  }
  void put(Buffer& out, std::uint64_t count, std::string_view line) const {
    Buffer number;
    put_decimal(number, count);
    if (!json_) return put(out, number, line);
    put_own_record(out, "summary");
    put_key(out += ',', "count");
    out += number;
    put_key(out += ',', "by");
    out += line;
    out.back() = '}';
    out += '\n';
  }

  const std::unique_ptr<Output> lines_;
  const bool json_;
  const unsigned top_;
  std::unordered_map<std::string, std::uint64_t, Hash, std::equal_to<>> rows_;  // by their lines
  std::size_t bytes_ = 0;                                                       // of these
  std::uint64_t events_ = 0;
  Buffer line_, heading_;
};

}  // namespace

std::unique_ptr<Output> make_summary(std::unique_ptr<Output> lines, bool json, unsigned top) {
  return std::make_unique<Summary>(std::move(lines), json, top);
}

}  // namespace needle
