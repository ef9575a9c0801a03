// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// One event as it comes out of the ring buffer.
#pragma once

#include "event.h"
#include "target.h"
#include "who/container.h"

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

namespace needle {

struct Tool;

// One event as the kernel sent it: its fixed fields, then the strings they point at.
// Owns nothing: valid as long as the ring buffer's memory is.
struct Record {
  std::span<const std::byte> bytes;
  std::string_view event = {};                  // what it is, in one word: see Tool
  const Tool* tool = nullptr;                   // whose it is; null where nobody asks
  bool late = false;                            // lines of what happened after it have been printed: see Order
  const Container* container = nullptr;         // of the process: null: none; see unknown_container()
  const Container* target_container = nullptr;  // likewise of whom something is done to
  std::string_view sha256 = {};                 // of its program, in hexadecimal digits; empty: not known

  template <class E> const E& as() const { return *reinterpret_cast<const E*>(bytes.data()); }
  const context* who() const;      // null if it did not travel
  const ::target* target() const;  // null if its cgroups did not
  std::string_view str(const ev_str& s) const {
    if (std::size_t{s.off} + s.len > bytes.size()) return {};
    return {reinterpret_cast<const char*>(bytes.data()) + s.off, s.len};
  }
};

// Those that a context has.
inline std::array<ev_str*, 7> strings_of(context& c) {
  return {&c.exe, &c.pexe, &c.cwd, &c.tty.name, &c.lineage.s, &c.args.s, &c.preload.s};
}

template <> const context& Record::as<context>() const;  // all unknown if it did not travel

}  // namespace needle
