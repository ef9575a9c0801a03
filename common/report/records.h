// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a report takes from one line of JSON that a tool printed: see JSON in needle(7).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace needle {

struct ReportLine {
  std::string event, host, boot_id, comm, pcomm, error;
  std::string object;                // what it was done to, in one line
  std::optional<std::int64_t> time;  // ns since 1970
  std::optional<std::uint64_t> pid, ppid, start;
  std::uint64_t count = 1;  // events that the line stands for
  std::uint64_t lost = 0, skipped = 0, replaced = 0;
  std::uint64_t shown = 0, part = 1;  // of an end record; of a start record
};

enum class LineKind {
  event,    // of a process
  own,      // start, end, a loss: what a tool says of its stream
  foreign,  // not of these tools
  broken,   // JSON that does not end, or is none
};

// Reads one line, without its newline.
LineKind read_report_line(std::string_view text, ReportLine&);

// Of RFC 3339 in UTC, as the tools print it.
std::optional<std::int64_t> parse_rfc3339(std::string_view);

}  // namespace needle
