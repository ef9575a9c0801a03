// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "print/output.h"

#include "print/layout.h"
#include "who/host.h"

#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <cstring>
#include <fstream>
#include <optional>

namespace needle {
namespace {

class Table final : public Output {
 public:
  Table(Columns columns, bool colour, bool dated)
      : columns_(std::move(columns)), layout_(columns_), colour_(colour), dated_(dated) {}

  void begin(Buffer& out, const Start&) override {
    day_.reset();
    if (colour_) out += "\x1b[1m";
    line(out, false, [](Buffer& cell, const Column& c, Blanks) {
      for (const char ch : c.name) cell.push_back(static_cast<char>(std::toupper(static_cast<unsigned char>(ch))));
    });
    if (colour_) out.insert(out.size() - 1, "\x1b[0m");
  }
  void event(Buffer& out, const Record& r) override {
    const bool stamp = has_time_ && begins_day(r.as<event_header>().time);
    line(out, true, [&r, stamp](Buffer& cell, const Column& c, Blanks b) {
      if (stamp && c.name == kTime) put_stamp(cell, r.as<event_header>().time);
      else c.text(cell, r, b);
    });
  }
  bool fit(std::size_t screen) override { return layout_.fit(screen); }
  std::size_t width() const override { return layout_.width(); }

 private:
  // The heading and the rows are laid out by the same code, so they line up. Errors are red.
  template <class Fill> void line(Buffer& out, bool row, Fill fill) {
    Layout::Line line(layout_, out);
    for (const Column* c : columns_) {
      const std::size_t start = line.begin_cell();
      fill(out, *c, line.is_last() ? Blanks::single : Blanks::escaped);
      const bool red =
          colour_ && row && c->name == "err" && out.compare(start, out.npos, "-") != 0 && out.compare(start, out.npos, "?") != 0;
      if (!line.end_cell(red ? "\x1b[31m" : "")) break;
    }
    out.push_back('\n');
  }

  bool begins_day(ev_time t) {
    const std::int64_t day = day_number(t);
    const bool begins = day_ ? day != *day_ : dated_;
    day_ = day;
    return begins;
  }

  static constexpr std::string_view kTime = "time";
  Columns columns_;
  Layout layout_;
  bool colour_, dated_;
  bool has_time_ = std::ranges::find(columns_, kTime, &Column::name) != columns_.end();
  std::optional<std::int64_t> day_;  // of the last line
};

// What decides how the columns of the context print, the same wherever in a record it stands: it, the strings that it has, and the
// end of the lineage. Returns whether nothing else does.
bool decides(const Record& r, std::string& key) {
  const context* const c = r.who();
  if (!c || std::size_t{c->strings} + c->len > r.bytes.size()) return false;
  context moved = *c;
  moved.strings = 0;
  for (ev_str* s : strings_of(moved)) {
    if (s->len == 0) s->off = 0;
    else if (s->off < c->strings || s->off - c->strings + s->len > c->len) return false;
    else s->off = static_cast<__u16>(s->off - c->strings);
  }
  const auto& h = r.as<event_header>();
  key.assign(reinterpret_cast<const char*>(&moved), sizeof moved);
  key.append(reinterpret_cast<const char*>(r.bytes.data()) + c->strings, c->len);
  key.append(reinterpret_cast<const char*>(&h.pid), sizeof h.pid).append(h.comm.s, sizeof h.comm.s);
  return true;
}

// Columns that stand together in a line of JSON. Events come in bursts that differ in little, such as all of one process: where
// nothing but some bytes of the record decides how they print, what was printed for the same bytes is used again.
class Run {
 public:
  explicit Run(const Column* c) : columns_{c} {
    if (c->part != Part::fields) {
      part_ = c->part;
      return;
    }
    const std::span<const std::byte> record(kSomeRecord);
    if (!c->own || c->own({record}).data() < record.data() || c->own({record}).data() >= record.data() + record.size()) return;
    from_ = static_cast<std::size_t>(c->own({record}).data() - record.data());
    to_ = from_ + c->own({record}).size();
  }

  bool of_context() const { return part_ == Part::context; }

  // Takes over the columns of `next` if they are of the same kind: who did it, or what was done.
  bool append(const Run& next) {
    if (part_ != next.part_) return false;
    if (part_ == Part::fields) {
      if (to_ == 0 || next.to_ == 0 || (from_ < sizeof(event_header)) != (next.from_ < sizeof(event_header))) return false;
      from_ = std::min(from_, next.from_);
      to_ = std::max(to_, next.to_);
    }
    columns_.insert(columns_.end(), next.columns_.begin(), next.columns_.end());
    return true;
  }

  // Each column's members with a comma before. `context`: what decides those of the context; empty: more does.
  void put(Buffer& out, const Record& r, std::string_view context) {
    switch (part_) {
      case Part::fields: return put(out, r, {reinterpret_cast<const char*>(r.bytes.data()) + from_, to_ - from_}, to_ != 0);
      case Part::context: return put(out, r, context, !context.empty());
      case Part::container: return put(out, r, "none", !r.container);
    }
  }

 private:
  struct Memo {
    std::string own;
    Buffer text;
  };

  void put(Buffer& out, const Record& r, std::string_view own, bool alone) {
    if (!alone) return print(out, r);
    if (const unsigned steps = wall_clock_steps(); steps != steps_) {
      memos_ = {};
      steps_ = steps;
    }
    if (memos_[last_].own != own) {
      last_ = slot(own);
      if (Memo& memo = memos_[last_]; memo.own != own) {
        memo.own = own;
        memo.text.clear();
        print(memo.text, r);
      }
    }
    out += memos_[last_].text;
  }

  void print(Buffer& out, const Record& r) const {
    for (const Column* c : columns_) {
      out.push_back(',');
      c->json(out, c->name, r);
    }
  }

  static std::size_t slot(std::string_view bytes) {
    std::uint64_t sum = 0, word, factor = 0x9e3779b97f4a7c15;
    for (; bytes.size() >= sizeof word; bytes.remove_prefix(sizeof word), factor += 2) {
      std::memcpy(&word, bytes.data(), sizeof word);
      sum += word * factor;
    }
    return sum >> 58;
  }

  static constexpr std::array<std::byte, 1024> kSomeRecord{};  // larger than any event without its strings
  Columns columns_;
  Part part_ = Part::fields;
  std::size_t from_ = 0, to_ = 0;  // of the fields: what decides; to_ 0: more does
  unsigned steps_ = 0;             // of the clock
  std::array<Memo, 64> memos_;
  std::size_t last_ = 0;  // the one that was used
};

class Json final : public Output {
 public:
  explicit Json(const std::vector<Columns>& tools) {
    for (const Columns& columns : tools) {
      for (const Column* c : columns)
        if (std::ranges::find(columns_, c->name) == columns_.end()) columns_.emplace_back(c->name);
      std::vector<Run>& runs = tools_.emplace_back();
      for (const Column* c : columns)
        if (Run run(c); runs.empty() || !runs.back().append(run)) runs.push_back(std::move(run));
      of_context_ |= std::ranges::any_of(runs, &Run::of_context);
    }
  }

  void event(Buffer& out, const Record& r) override {
    const std::size_t start = out.size();
    if (of_context_ && !decides(r, context_)) context_.clear();
    for (Run& run : tools_[tools_.size() > 1 ? r.as<event_header>().tool : 0]) run.put(out, r, context_);
    out[start] = '{';
    out += r.late ? ",\"late\":true}\n" : "}\n";
  }
  void begin(Buffer& out, const Start& start) override {
    utsname kernel{};
    uname(&kernel);
    std::string boot_id;
    std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), boot_id);
    put_own_record(out, "start");
    for (const auto& [key, value] : {std::pair{"tool", start.tool},
                                     {"version", start.version},
                                     {"kernel", kernel.release},
                                     {"machine", kernel.machine},
                                     {"boot_id", std::string_view(boot_id)}}) {
      out.push_back(',');
      put_json_member(out, key, value);
    }
    put_words(out += ',', "command_line", start.command_line);
    put_key(out += ',', "filters");
    out.push_back('{');
    for (const auto& [name, values] : start.filters) {
      if (&name != &start.filters.front().first) out.push_back(',');
      put_words(out, name, values);
    }
    put_words(out += "},", "columns", columns_);
    put_words(out += ',', "hooks", start.hooks);
    put_number(out, "part", start.part);
    out += "}\n";
  }
  void missing(Buffer& out, std::string_view what, std::uint64_t now, std::uint64_t total) override {
    put_own_record(out, what);
    put_number(out, what, now);
    put_number(out, std::string(what) + "_total", total);
    out += "}\n";
  }
  void end(Buffer& out, const End& end) override {
    put_own_record(out, "end");
    for (const auto& [key, n] :
         {std::pair{"shown", end.shown}, {"lost", end.lost}, {"skipped", end.skipped}, {"replaced", end.replaced}})
      put_number(out, key, n);
    put_json_member(out += ',', "why", end.why);
    if (!end.by_event.empty()) {
      put_key(out += ',', "shown_by_event");
      for (char before = '{'; const auto& [event, n] : end.by_event) {
        out.push_back(before);
        put_key(out, event);
        put_decimal(out, n);
        before = ',';
      }
      out.push_back('}');
    }
    out += "}\n";
  }

 private:
  static void put_number(Buffer& out, std::string_view key, std::uint64_t n) {
    put_key(out += ',', key);
    put_decimal(out, n);
  }
  static void put_words(Buffer& out, std::string_view key, const std::vector<std::string>& words) {
    put_key(out, key);
    out.push_back('[');
    for (const std::string& word : words) {
      if (&word != &words.front()) out.push_back(',');
      out.push_back('"');
      put_json_body(out, word);
      out.push_back('"');
    }
    out.push_back(']');
  }

  std::vector<std::string> columns_;
  std::vector<std::vector<Run>> tools_;
  bool of_context_ = false;  // whether some are
  std::string context_;      // what decides those, of this event; empty: more does
};

}  // namespace

void put_own_record(Buffer& out, std::string_view event) {
  put_json_member(out += '{', "event", event);
  put_key(out += ',', "time");
  out.push_back('"');
  put_rfc3339(out, std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count());
  put_json_member(out += "\",", "host", host_name());
}

std::unique_ptr<Output> make_table(Columns c, bool colour, bool dated) {
  return std::make_unique<Table>(std::move(c), colour, dated);
}
std::unique_ptr<Output> make_json(Columns c) { return std::make_unique<Json>(std::vector<Columns>{std::move(c)}); }
std::unique_ptr<Output> make_json_of_tools(std::vector<Columns> tools) { return std::make_unique<Json>(tools); }

}  // namespace needle
