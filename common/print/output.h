// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Turns records into lines: a table for people and awk, JSON lines for programs.
#pragma once

#include "print/column.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace needle {

// What a stream tells of itself in its first record.
struct Start {
  std::string_view tool, version;
  std::vector<std::string> command_line;
  std::vector<std::pair<std::string, std::vector<std::string>>> filters;  // names of options without dashes, what was given
  std::vector<std::string> hooks;                                         // programs that were taken
  unsigned part = 1;                                                      // the how manieth file of a trace it begins
};
// In its last one.
struct End {
  std::uint64_t shown = 0, lost = 0, skipped = 0, replaced = 0;           // in all
  std::string_view why;                                                   // one word
  std::vector<std::pair<std::string_view, std::uint64_t>> by_event = {};  // of what is shown, where several tools trace
};

class Output {
 public:
  virtual ~Output() = default;
  virtual void begin(Buffer&, const Start&) = 0;  // heading, or record
  virtual void event(Buffer&, const Record&) = 0;
  // How wide the terminal is that lines go to, in columns; 0: they may have any length. Returns whether the heading has changed.
  virtual bool fit(std::size_t /*screen*/) { return false; }
  virtual std::size_t width() const { return 0; }  // what lines need for all columns to be seen; 0: any
  virtual void end(Buffer&, const End&) {}
  // Of those that count: the counts so far. `screen`: rows of the terminal that they are to fill anew; 0: lines like others.
  virtual void summary(Buffer&, unsigned /*screen*/) {}
  // What could not be delivered, or may not have been; the table leaves that to stderr. `what`: "lost", events; "skipped", runs of
  // the programs; "replaced", hooks.
  virtual void missing(Buffer&, std::string_view /*what*/, std::uint64_t /*now*/, std::uint64_t /*total*/) {}
};

// The beginning of a record of a JSON stream's own: {"event":EVENT,"time":...,"host":...
void put_own_record(Buffer&, std::string_view event);

// `dated`: the first line has date and zone in the column time; the first of each day has them anyway.
std::unique_ptr<Output> make_table(Columns, bool colour, bool dated = false);
std::unique_ptr<Output> make_json(Columns);
std::unique_ptr<Output> make_json_of_tools(std::vector<Columns>);  // of several tools, by the number in a record

}  // namespace needle
