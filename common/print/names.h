// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The words for numbers: errors, flags, system calls, capabilities.
#pragma once

#include "event.h"
#include "print/text.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace needle {

// The name of an errno value ("ENOENT"), also of those that only the kernel knows; else its number.
void put_errno(Buffer&, int);
std::string_view via_name(unsigned via);  // without VIA_COMPAT
std::string_view src_name(ev_src);

struct Flag {
  std::uint64_t bits;
  std::string_view name;
};
// The names of the flags, joined by `bar`; what has no name is one more word, in hexadecimal. Nothing for 0. `first`: whether
// nothing stands before it.
void put_flags(Buffer&, std::uint64_t flags, std::span<const Flag> names, char bar = '|', bool first = true);
void put_oflags(Buffer&, unsigned flags);
std::optional<unsigned> oflag_value(std::string_view name);  // "O_CREAT"
std::vector<std::string_view> oflag_names();
void put_caps(Buffer&, std::uint64_t);
void put_signal(Buffer&, int signal);                    // "SIGTERM", "SIGRTMIN+2"; 0 and what is none: a number
std::optional<int> signal_value(std::string_view name);  // also without SIG, also a number; 0 is one
std::vector<std::string_view> signal_names();            // without SIG
std::string_view ftype_name(unsigned mode);

}  // namespace needle
