// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Where the cells of a table stand, and what of them is shown on a terminal that is too narrow.
#pragma once

#include "print/column.h"

#include <cstddef>
#include <string_view>
#include <vector>

namespace needle {

// A cell that is wider than its column shifts those behind it only as far as their blanks do not make up for it. On a terminal
// no line is wider than that: columns of text become narrower, a cell of text leaves those behind it their width, and what
// still does not fit is cut at the end of the line. Stands for what is cut; no name can forge it, see Format<ev_str>:
inline constexpr std::string_view kCut = "\\>";

class Layout {
 public:
  explicit Layout(const Columns&);

  // `screen`: columns of the terminal; 0: lines may have any length. Returns whether the heading has changed.
  bool fit(std::size_t screen);
  std::size_t width() const { return width_; }  // of a line in which every cell fits its column, and the last is short

  // One line, cell after cell. Borrows both.
  class Line;

 private:
  // In columns of the screen.
  struct Place {
    std::size_t full, least;         // width as declared; what it may be made narrower to
    std::size_t width, end, behind;  // now; from the beginning of the line; what the columns behind it need
    bool text, right;                // may be cut; is aligned so
  };
  std::vector<Place> places_;
  std::size_t screen_ = 0, width_ = 0;
};

class Layout::Line {
 public:
  Line(const Layout& layout, Buffer& out)
      : layout_(layout), out_(out), place_(layout.places_.data()), last_(place_ + layout.places_.size() - 1) {}

  // Where its text is to be appended.
  std::size_t begin_cell() {
    if (used_ > 0) {
      out_.push_back(' ');
      used_++;
    }
    return start_ = out_.size();
  }
  bool is_last() const { return place_ == last_; }

  // Lays out what has been appended. `colour`: an escape sequence, or empty. Returns whether there is room for another.
  bool end_cell(std::string_view colour) {
    if (layout_.screen_ > 0 || !colour.empty()) return end_cut(colour);
    if (is_last() && !place_->right) return false;  // often the longest, and nothing depends on its width
    align(measured(), place_->end, colour);
    return place_ <= last_;
  }

 private:
  bool end_cut(std::string_view colour);
  std::size_t measured() const;

  // Up to column `end` of the line.
  void align(std::size_t width, std::size_t end, std::string_view colour) {
    const std::size_t blanks = used_ + width < end ? end - used_ - width : 0;
    if (place_->right) out_.insert(start_, blanks, ' ');
    if (!colour.empty()) {
      out_.insert(start_, colour);
      out_ += "\x1b[0m";
    }
    if (!place_->right && !is_last()) out_.append(blanks, ' ');
    used_ += width + blanks;
    place_++;
  }

  const Layout& layout_;
  Buffer& out_;
  const Place *place_, *last_;        // the cell's
  std::size_t start_ = 0, used_ = 0;  // its first byte; columns before it
};

}  // namespace needle
