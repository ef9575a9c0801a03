// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "print/clock.h"

#include <cstdlib>
#include <ctime>
#include <limits>

namespace needle {
namespace {

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

std::int64_t now(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return t.tv_sec * 1'000'000'000LL + t.tv_nsec;
}

// Between two readings the process may be preempted: then they are made again.
std::int64_t boot_to_wall() {
  std::int64_t offset = 0, between = kNever;
  for (int i = 0; i < 10 && between > 100'000; i++) {
    const std::int64_t before = boot_clock(), wall = now(CLOCK_REALTIME), after = boot_clock();
    if (after - before >= between) continue;
    between = after - before;
    offset = wall - before;
  }
  return offset;
}

std::int64_t wall_offset = boot_to_wall();  // of the time namespace's boot clock
unsigned wall_steps = 0;
std::int64_t ahead = 0, compared_within = kNever;

}  // namespace

std::int64_t boot_clock() { return now(CLOCK_BOOTTIME); }

std::int64_t compare_clocks(std::int64_t before, std::int64_t kernel, std::int64_t after) {
  if (after - before >= compared_within) return ahead;
  compared_within = after - before;
  ahead = before <= kernel && kernel <= after ? 0 : before + compared_within / 2 - kernel;
  return ahead;
}

// Only if the clock was set: what happened once must not move.
void refresh_wall_clock() {
  constexpr std::int64_t kNoStep = 1'000'000;
  const std::int64_t offset = boot_to_wall();
  if (std::abs(offset - wall_offset) <= kNoStep) return;
  wall_offset = offset;
  wall_steps++;
}

unsigned wall_clock_steps() { return wall_steps; }
// Of a record that no kernel sends the sum may not fit: unsigned, it wraps.
std::int64_t wall_clock(ev_time t) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(wall_offset + ahead) + static_cast<std::uint64_t>(t));
}

}  // namespace needle
