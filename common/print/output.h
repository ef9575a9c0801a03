// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Turns records into lines: a table for people and awk, JSON lines for programs.
#pragma once

#include "print/column.h"

#include <memory>

namespace needle {

class Output {
 public:
  virtual ~Output() = default;
  virtual void heading(Buffer&) {}
  virtual void event(Buffer&, Record) = 0;
  // What could not be delivered, or may not have been; the table leaves that to stderr. `what`: "lost", events; "skipped", runs of
  // the programs; "replaced", hooks.
  virtual void missing(Buffer&, std::string_view /*what*/, std::uint64_t /*now*/, std::uint64_t /*total*/) {}
};

std::unique_ptr<Output> make_table(Columns, bool colour);
std::unique_ptr<Output> make_json(Columns);

}  // namespace needle
