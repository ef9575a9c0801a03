// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/records.h"

#include "print/text.h"

#include <nlohmann/json.hpp>

#include <charconv>
#include <chrono>
#include <unordered_map>

namespace needle {
namespace {

using nlohmann::json;

// clang-format off
enum Key { event, time_, host, boot_id, comm, pcomm, error, path, path_hex, exe, exe_hex, requested, requested_hex, raddr, proto,
           old_, new_, what, signal, pid, ppid, start, rport, count, lost, skipped, replaced, shown, part, exit_, args, lineage, kKeys,
           none };
// clang-format on
constexpr std::string_view kNames[kKeys] = {
    "event",     "time",          "host",  "boot_id", "comm",     "pcomm", "error", "path",   "path_hex", "exe",    "exe_hex",
    "requested", "requested_hex", "raddr", "proto",   "old",      "new",   "what",  "signal", "pid",      "ppid",   "start",
    "rport",     "count",         "lost",  "skipped", "replaced", "shown", "part",  "exit",   "args",     "lineage"};

Key key_called(std::string_view name) {
  static const auto keys = [] {
    std::unordered_map<std::string_view, Key> all;
    for (int i = 0; i < kKeys; i++) all.emplace(kNames[i], static_cast<Key>(i));
    return all;
  }();
  const auto found = keys.find(name);
  return found == keys.end() ? none : found->second;
}

// Keeps the members that are known, and passes over the others: no tree of the line is built.
class Members final : public json::json_sax_t {
 public:
  std::string text[kKeys];
  std::optional<std::uint64_t> number[kKeys];
  std::vector<std::string> words;       // of args
  bool more_words = false;              // than are kept
  std::optional<std::uint64_t> parent;  // the last but one of lineage

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }  // negative: no member that is kept
  bool number_unsigned(number_unsigned_t n) override {
    if (depth_ == 1 && at_ != none) number[at_] = n;
    else if (at_ == lineage && inner_ == pid) (parent = last_, last_ = n);
    return true;
  }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t& s) override {
    if (depth_ == 1 && at_ != none) text[at_].swap(s);
    else if (depth_ == 2 && at_ == args && words.size() == kWords) more_words = true;
    else if (depth_ == 2 && at_ == args) words.push_back(s);
    return true;
  }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return ++depth_; }
  bool end_object() override { return depth_--; }
  bool start_array(std::size_t) override { return ++depth_; }
  bool end_array() override { return depth_--; }
  bool key(string_t& name) override {
    (depth_ == 1 ? at_ : inner_) = key_called(name);
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const json::exception&) override { return false; }

 private:
  static constexpr std::size_t kWords = 64;
  unsigned depth_ = 0;
  Key at_ = none, inner_ = none;
  std::optional<std::uint64_t> last_;
};

bool parse(std::string_view line, Members& m) { return json::sax_parse(line.begin(), line.end(), &m); }

// The bytes themselves, where they are no UTF-8: see put_json_member().
std::string exact(Members& m, Key key, Key hex) {
  const std::string& digits = m.text[hex];
  if (digits.empty()) return m.text[key];
  std::string bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    unsigned byte = 0;
    if (std::from_chars(&digits[i], &digits[i] + 2, byte, 16).ptr != &digits[i] + 2) return m.text[key];
    bytes.push_back(static_cast<char>(byte));
  }
  return bytes;
}

std::string object_of(Members& m) {
  if (!m.text[what].empty()) return m.text[what];
  if (!m.words.empty()) {
    Buffer line;
    for (const std::string& word : m.words) {
      if (!line.empty()) line.push_back(' ');
      put_shell_word(line, word);
    }
    if (m.more_words) line += " ...";
    return line;
  }
  if (m.text[event] == "exit")
    return m.text[signal].empty() && m.number[exit_] ? std::to_string(*m.number[exit_]) : m.text[signal];
  if (!m.text[raddr].empty()) {
    const bool colons = m.text[raddr].find(':') != std::string::npos;
    std::string to = m.text[proto] + " " + (colons ? "[" + m.text[raddr] + "]" : m.text[raddr]);
    if (m.number[rport]) to += ":" + std::to_string(*m.number[rport]);
    return to;
  }
  std::string name = exact(m, path, path_hex);
  if (name.empty()) name = exact(m, exe, exe_hex);
  if (name.empty()) name = exact(m, requested, requested_hex);
  if (m.text[new_].empty()) return name;
  return (m.text[old_].empty() ? "?" : m.text[old_]) + " -> " + m.text[new_] + " " + name;
}

}  // namespace

std::optional<std::int64_t> parse_rfc3339(std::string_view s) {
  const auto digits = [s](std::size_t at, std::size_t n, int& value) {
    return s.size() >= at + n && std::from_chars(s.data() + at, s.data() + at + n, value).ptr == s.data() + at + n && value >= 0;
  };
  int y = 0, mo = 0, d = 0, h = 0, mi = 0, sec = 0, ns = 0;
  if (!digits(0, 4, y) || !digits(5, 2, mo) || !digits(8, 2, d) || !digits(11, 2, h) || !digits(14, 2, mi) || !digits(17, 2, sec))
    return {};
  if (s[4] != '-' || s[7] != '-' || s[10] != 'T' || s.back() != 'Z' || y < 1970 || y > 2200) return {};
  if (s.size() == 30 && !digits(20, 9, ns)) return {};
  const std::chrono::year_month_day date{std::chrono::year(y), std::chrono::month(static_cast<unsigned>(mo)),
                                         std::chrono::day(static_cast<unsigned>(d))};
  if (!date.ok() || h > 23 || mi > 59 || sec > 60) return {};
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return (((days * 24 + h) * 60 + mi) * 60 + sec) * 1'000'000'000 + ns;
}

LineKind read_report_line(std::string_view line, ReportLine& out) {
  out = {};
  const std::size_t begin = line.find_first_not_of(" \t\r");
  if (begin == line.npos || line[begin] != '{') return LineKind::foreign;
  Members m;
  if (!parse(line.substr(begin), m)) return LineKind::broken;
  out.event = m.text[event];
  out.time = parse_rfc3339(m.text[time_]);
  if (out.event.empty() || !out.time) return LineKind::foreign;
  out.host = m.text[host];
  out.boot_id = m.text[boot_id];
  out.lost = m.number[lost].value_or(0);
  out.skipped = m.number[skipped].value_or(0);
  out.replaced = m.number[replaced].value_or(0);
  out.shown = m.number[shown].value_or(0);
  out.part = m.number[part].value_or(1);
  if (!m.number[pid])
    return out.event == "start" || out.event == "end" || out.event == "summary" || m.number[lost] || m.number[skipped] ||
                   m.number[replaced]
               ? LineKind::own
               : LineKind::foreign;
  out.pid = m.number[pid];
  out.start = m.number[start];
  out.ppid = m.number[ppid] ? m.number[ppid] : m.parent;
  out.comm = m.text[comm];
  out.pcomm = m.text[pcomm];
  out.error = m.text[error];
  out.count = std::max<std::uint64_t>(1, m.number[count].value_or(1));
  out.object = object_of(m);
  return LineKind::event;
}

}  // namespace needle
