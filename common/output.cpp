// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "output.h"

#include <cctype>
#include <tuple>

namespace needle {
namespace {

class Table final : public Output {
 public:
  Table(Columns columns, bool colour) : columns_(std::move(columns)), colour_(colour) {}

  void heading(Buffer& out) override {
    if (colour_) out += "\x1b[1m";
    line(out, [](Buffer& cell, const Column& c, Blanks) {
      for (const char ch : c.name) cell.push_back(static_cast<char>(std::toupper(static_cast<unsigned char>(ch))));
    });
    if (colour_) out.insert(out.size() - 1, "\x1b[0m");
  }
  void event(Buffer& out, Record r) override {
    line(out, [r](Buffer& cell, const Column& c, Blanks b) { c.text(cell, r, b); });
  }

 private:
  // The heading and the rows are laid out by the same code, so they line up.
  template <class Fill> void line(Buffer& out, Fill fill) {
    const Column* const last = columns_.back();
    for (const Column* c : columns_) {
      if (c != columns_.front()) out.push_back(' ');
      const std::size_t start = out.size();
      fill(out, *c, c == last ? Blanks::single : Blanks::escaped);
      const std::size_t length = out.size() - start;
      if (const auto width = static_cast<std::size_t>(c->width); length < width && !(c == last && c->align == Align::left))
        out.insert(c->align == Align::right ? start : out.size(), width - length, ' ');
      if (colour_ && c->name == "err" && out[start] == 'E' && out[start + 1] != 'R') {
        out.insert(start, "\x1b[31m");
        out += "\x1b[0m";
      }
    }
    out.push_back('\n');
  }

  Columns columns_;
  bool colour_;
};

class Json final : public Output {
 public:
  explicit Json(Columns columns) : columns_(std::move(columns)) {}

  void event(Buffer& out, Record r) override {
    char before = '{';
    for (const Column* c : columns_) {
      out.push_back(before);
      c->json(out, c->name, r);
      before = ',';
    }
    out += "}\n";
  }
  void lost(Buffer& out, std::uint64_t now, std::uint64_t total) override { count(out, "lost", now, total); }
  void skipped(Buffer& out, std::uint64_t now, std::uint64_t total) override { count(out, "skipped", now, total); }

 private:
  static void count(Buffer& out, std::string_view what, std::uint64_t now, std::uint64_t total) {
    for (const auto& [before, after, n] : {std::tuple{"{\"", "\":", now}, std::tuple{",\"", "_total\":", total}}) {
      out += before;
      out += what;
      out += after;
      put_decimal(out, n);
    }
    out += "}\n";
  }

  Columns columns_;
};

}  // namespace

std::unique_ptr<Output> make_table(Columns c, bool colour) { return std::make_unique<Table>(std::move(c), colour); }
std::unique_ptr<Output> make_json(Columns c) { return std::make_unique<Json>(std::move(c)); }

}  // namespace needle
