// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The options that all tools share.
#pragma once

#include "run/sink.h"
#include "who/container_filter.h"
#include "tool.h"

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace needle {

enum class Colour { automatic, always, never };

struct Options {
  ::filter filter{};                 // all but `want`
  std::vector<::listed> listed;      // the lists of numbers
  std::int64_t asked = 0;            // boot_clock() when their ids were looked at
  std::vector<std::string> remarks;  // what to tell the user before the trace
  std::vector<std::string> cgroups;  // directories of the cgroup v2 hierarchy
  std::vector<std::string> units;    // of systemd, with their suffix
  ContainerFilter containers;
  std::vector<std::string> command;                // to run and follow; empty: none
  std::string run_as;                              // who is to run it; empty: who called
  std::vector<Setting> own;                        // what the tool's options do, in the order given
  Columns columns;                                 // what to show, in order
  std::function<Columns(const Tool&)> columns_of;  // the same for one of several tools
  double duration = 0;                             // seconds; 0: no end
  unsigned long long count = 0;                    // events; 0: no end
  unsigned buffer = 4u << 20;                      // bytes of the ring buffer, a power of two
  std::string hook;                                // the only mechanism to use; empty: the best
  std::string btf;                                 // a file with the kernel's types, for one that has none
  bool journal = false;                            // entries of the systemd journal instead of lines
  bool summary = false;                            // counts instead of lines
  unsigned top = 0;                                // the highest ones only; 0: all
  std::string output;                              // the file that lines go to; empty: standard output
  Rotate rotate;                                   // how long it may become
  std::vector<std::string> command_line;
  std::vector<std::pair<std::string, std::vector<std::string>>> filters;  // those that were given, without dashes
  bool json = false, heading = true, verbose = false, wide = false;
  Colour colour = Colour::automatic;
};

// Returns an exit status if the tool is done already (--help, --version), or -1.
// Throws BadUsage. `tool`: borrowed by the columns. `selection`: is told which of several tools are traced; null: it is this one.
class Selection;
int parse_options(const Tool& tool, int argc, char** argv, Options&, Selection* selection = nullptr);

}  // namespace needle
