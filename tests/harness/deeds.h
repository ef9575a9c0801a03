// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What the tests of what all tools share need of each: one event of its own, in tests/deeds/TOOL.cpp. A tool without such a file
// does not build.
#pragma once

#include "harness.h"

#include <sys/types.h>

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace harness {

// What the usual table shows of some events, of a process that is not root's.
struct Table {
  std::string heading;
  std::function<void()> deeds;                 // as kTableUser
  std::vector<std::vector<std::string>> rows;  // behind pid and comm; *: some value that is not 0
  bool executes = false;                       // the last of them replaces the process by "program"
};
constexpr uid_t kTableUser = 4294967294;  // a valid one, as NFS knows it
constexpr gid_t kTableGroup = 4294967293;

// Options that are refused: the message names one of them, and says something.
struct Bad {
  std::vector<std::string> args;
  std::string names, says;
};

struct Deed {
  std::string tool;
  // What the tool must be asked for to show it, and nothing of what the tests' processes do besides: command_of() gives it.
  std::vector<std::string> options = {};
  // One line of the tool, as cheap as can be, that leaves the process as it was, and whether it succeeds or not. `path`: a file.
  std::function<void(const std::string& path)> once;
  std::function<std::string(const std::string& path)> script;  // the same for bash(1)
  std::function<bool(const Json& line, const std::string& path)> is_of_script;
  // The same for perl(1), where a shell needs another program for it.
  std::function<std::string(const std::string& path)> perl = {};
  std::vector<std::string> varies = {};  // columns that are not the same each time
  bool other_thread = false;             // a thread of the process does it, that is there for nothing else
  // In `dir` there is a file "file" with "x" in it, 0644, of kTableUser and kTableGroup, and none called "absent".
  std::function<Table(const TempDir& dir)> table;
  std::vector<Bad> bad = {};  // of the tool's own options
};

std::span<const Deed* const> all_deeds();
const Deed& deed_of(const std::string& tool);
std::vector<std::string> all_tools();

inline void deed_for(const std::string& tool, const std::string& path) { deed_of(tool).once(path); }

}  // namespace harness
