// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The names of BPF programs, which say what each is for.
//
// A program is named WHAT__MECHANISM[_opt_WORD][_alt_N][_detail]. The programs of one WHAT and one
// mechanism belong together; of a WHAT's mechanisms the first in the order fentry, tp that loads
// and attaches is taken. _opt_WORD programs cover a path that not every kernel has or lets us see:
// they may be missing, those of one WORD together, which -v says. The _alt programs of one number N are an
// alternative: of those of a mechanism, or of an _opt_WORD, one and only one is taken, with all its programs: the
// one with the lowest number of which all work. WHAT, WORD and detail are [a-z0-9_]+, WORD without underscores.
// NAME__run is no hook: user space runs it.
// A section raw_tp/ONE+ANOTHER is a program that runs at each of these tracepoints that the kernel has.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace needle {

// In the order of preference: what is handed the kernel's own object comes first.
inline constexpr std::array<std::string_view, 2> kMechanisms{"fentry", "tp"};

// A program's name, taken apart.
struct HookName {
  std::string what, mechanism;
  std::string unit;          // what it is refused with: its group, or those that share _opt_WORD
  unsigned alternative = 0;  // N of the unit's _alt_N; 0: it is none
  bool optional = false;
  bool is_hook() const { return mechanism != "run"; }
  std::string group() const { return what + "__" + mechanism; }
};
// Throws Error if the name is not of the grammar: such a program would never be loaded, and nobody would notice.
HookName parse_hook_name(std::string_view program);

}  // namespace needle
