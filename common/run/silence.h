// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A tool that shows nothing: whether that is because nothing happens, or because of its filters.
#pragma once

#include "tool.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace needle {

class Silence {
 public:
  // From now on the programs count what filters drop, until something is shown. `objects`, `tool`: borrowed.
  Silence(std::vector<Object*> objects, const Tool& tool);

  // While the tool runs: says once, on a terminal, that nothing has matched for some seconds. `shown`, `received`: events, so far.
  void look(std::uint64_t shown, std::uint64_t received);
  // For the message at the end, if none was shown: ", 12,345 left out by the filters"; else empty.
  std::string left_out(std::uint64_t shown, std::uint64_t received) const;

 private:
  std::uint64_t dropped() const;

  const std::vector<Object*> objects_;
  const std::string events_;  // what they are called
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  bool silent_ = true, said_ = false;
};

}  // namespace needle
