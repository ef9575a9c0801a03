// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What stands between a record and its line: a list of stages, each of which may add to a record what it knows, or leave it out.
#pragma once

#include "record.h"

#include <cstdint>

namespace needle {

class Stage {
 public:
  Stage() = default;
  virtual ~Stage() = default;
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  virtual bool wants(Record&) = 0;      // false: there is no line for it
  virtual void learn(const Record&) {}  // what travels and is no event: see enum kind
  virtual void between_batches() {}
  // Events that it has left out because it could not decide: they are told of as lost.
  virtual std::uint64_t undecided() const { return 0; }
};

}  // namespace needle
