// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What the lines of a report add up to: processes, and what each did. Its memory is bounded, whatever is read; what does
// not fit is counted, and said.
#pragma once

#include "report/records.h"

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

namespace needle {

struct Times {
  std::uint64_t count = 0, failed = 0;
  std::int64_t first = std::numeric_limits<std::int64_t>::max(),
               last = std::numeric_limits<std::int64_t>::min();  // ns since 1970

  void add(std::int64_t time, std::uint64_t n, bool fails);
};

struct Thing : Times {
  std::string name, error;
};

struct Deeds : Times {
  std::string event;
  std::vector<Thing> objects;  // the first ones that came
  std::uint64_t other = 0;     // events of further ones
};

struct Process : Times {
  std::size_t host = 0;
  unsigned boot = 0;
  std::uint64_t pid = 0;
  std::optional<std::uint64_t> start, ppid;
  std::string comm, pcomm;
  std::vector<Deeds> deeds;
  std::uint64_t other = 0;  // events of further kinds
  bool guessed = false;     // some of its lines have no `start`: they are taken for its own
  bool seen = true;         // false: only known as a parent
  // Of Story::finish():
  bool guessed_parent = false;
  bool child = false;
  std::vector<std::size_t> children;  // in Story::processes, by their first events
};

struct Boot {
  std::string id;
  std::int64_t seen;  // when a tool said so first: ns since 1970
};

struct Host {
  std::string name;
  std::vector<Boot> boots = {};  // as far as they are known
  unsigned boot = 0;             // the one whose lines are read
  bool boot_told = false;        // in this file
  std::uint64_t lost = 0, skipped = 0, replaced = 0;
  std::uint64_t guessed_boot = 0;  // events of files that do not begin with a start record
  std::uint64_t missing = 0;       // events that a tool says it has shown, and that are not there
  // Of the stream that is read, from its start record on:
  std::uint64_t read = 0;
  bool open = false;        // it has not ended
  bool comparable = false;  // with the sum in its end record: it is whole, and alone in its file
};

class Story {
 public:
  static constexpr std::size_t kProcesses = 20'000, kHosts = 1'000, kObjects = 100'000, kObjectsEach = 8, kKinds = 16,
                               kBytes = 300;

  void line(std::string_view text);  // without its newline
  void too_long() { lines++, long_lines++; }
  void new_file();  // the boot of a host is not known any more
  void finish();    // once all has been read: finds parents

  std::vector<Process> processes;
  std::vector<Host> hosts;
  std::vector<std::size_t> roots;
  Times all;
  std::uint64_t lines = 0, foreign = 0, broken = 0, long_lines = 0, own = 0, without_process = 0, cut = 0;

 private:
  void take(LineKind, const ReportLine&);
  std::size_t host_of(const std::string& name);
  Process* process_of(std::size_t host, const ReportLine&);
  std::size_t add(Process);

  std::map<std::string, std::size_t, std::less<>> host_numbers_;
  std::map<std::tuple<std::size_t, unsigned, std::uint64_t>, std::vector<std::size_t>> by_pid_;
  std::unordered_map<std::size_t, std::size_t> above_;  // the parent of each
  std::size_t objects_ = 0;
};

}  // namespace needle
