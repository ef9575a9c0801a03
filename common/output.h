// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Turns records into lines: a table for people and awk, JSON lines for programs.
#pragma once

#include "column.h"

#include <memory>

namespace needle {

class Output {
 public:
  virtual ~Output() = default;
  virtual void heading(Buffer&) {}
  virtual void event(Buffer&, Record) = 0;
  // Events that could not be delivered; the table leaves that to stderr.
  virtual void lost(Buffer&, std::uint64_t /*now*/, std::uint64_t /*total*/) {}
  // Runs of the programs that the kernel has skipped; likewise.
  virtual void skipped(Buffer&, std::uint64_t /*now*/, std::uint64_t /*total*/) {}
};

std::unique_ptr<Output> make_table(Columns, bool colour);
std::unique_ptr<Output> make_json(Columns);

}  // namespace needle
