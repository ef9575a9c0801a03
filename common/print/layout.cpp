// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "print/layout.h"

#include <algorithm>
#include <span>
#include <utility>

namespace needle {

constexpr std::size_t kLast = 24;  // of a last column of text, at least

Layout::Layout(const Columns& columns) {
  for (const Column* c : columns) {
    const bool last = c == columns.back();
    const auto full = static_cast<std::size_t>(c->width), least = static_cast<std::size_t>(c->least);
    places_.push_back({.full = last && least > 0 ? std::min(full, kLast) : full,
                       .least = least > 0 ? std::min(full, least) : full,
                       .width = 0,
                       .end = 0,
                       .behind = 0,
                       .text = c->least > 0,
                       .right = c->align == Align::right});
  }
  fit(0);
}

bool Layout::fit(std::size_t screen) {
  const std::size_t old = std::exchange(screen_, screen > 1 + kCut.size() ? screen : 0);
  if (screen_ == old && width_ > 0) return false;
  std::vector<std::size_t> before;
  width_ = places_.size() - 1;  // blanks between
  for (Place& p : places_) {
    before.push_back(p.width);
    p.width = p.full;
    width_ += p.width;
  }
  const auto others = std::span(places_).first(places_.size() - 1);
  const auto spare = [](const Place& p) { return p.width > p.least ? p.width : 0; };
  for (; screen_ > 0 && width_ > screen_; width_--) {
    const auto widest = std::ranges::max_element(others, {}, spare);
    if (widest == others.end() || spare(*widest) == 0) break;
    widest->width--;
  }
  std::size_t end = 0, behind = 0;
  for (Place& p : places_) {
    p.end = end += p.width;
    end++;
  }
  for (auto p = places_.rbegin(); p != places_.rend(); ++p) {
    p->behind = behind;
    behind += p->width + 1;
  }
  const auto cuts = [this](std::size_t s) { return s > 0 && s < width_; };  // the heading too
  return cuts(old) || cuts(screen_) || !std::ranges::equal(before, places_, {}, {}, &Place::width);
}

std::size_t Layout::Line::measured() const {
  const std::string_view cell = std::string_view(out_).substr(start_);
  return place_->text ? screen_width(cell) : cell.size();  // all else is ASCII
}

bool Layout::Line::end_cut(std::string_view colour) {
  constexpr std::size_t kAny = std::string_view::npos;
  const std::size_t screen = layout_.screen_;
  const bool last = is_last();
  const std::size_t more = last ? 0 : 1 + kCut.size();  // what it takes to tell that there are others
  std::size_t width = measured(), end = place_->end;
  bool ends = false;
  if (screen > 0) {
    const std::size_t room = screen - used_;
    const std::size_t most = place_->text && !last ? std::max(place_->least, room - std::min(room, place_->behind)) : kAny;
    const auto cut = [&](std::size_t to) {
      out_.resize(start_ + bytes_within(std::string_view(out_).substr(start_), to - kCut.size()));
      width = measured() + kCut.size();
      out_ += kCut;
    };
    ends = std::min(width, most) + more > room;
    if (ends) cut(room);
    else if (width > most) cut(most);
    end = ends ? 0 : std::min(end, screen - more);
  }
  align(width, end, colour);
  return !ends && !last;
}

}  // namespace needle
