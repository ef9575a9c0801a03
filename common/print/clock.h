// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Times of the kernel (ev_time: its CLOCK_BOOTTIME, in ns) as those of a clock on the wall.
#pragma once

#include "event.h"
#include "print/text.h"

#include <cstdint>

namespace needle {

std::int64_t boot_clock();         // CLOCK_BOOTTIME, in ns, as the tool's time namespace has it
std::int64_t wall_clock(ev_time);  // ns since 1970
void refresh_wall_clock();         // follows a clock that was set: call once a batch
unsigned wall_clock_steps();       // how often it was

void put_time(Buffer&, ev_time);                        // local time of day, with microseconds
void put_stamp(Buffer&, ev_time);                       // the same with date and zone: 2026-11-28T19:00:54.123456+01:00
void put_date(Buffer&, ev_time);                        // local date and time, to the second
void put_rfc3339(Buffer&, std::int64_t ns_since_1970);  // UTC, with nanoseconds
void put_rfc3339(Buffer&, std::int64_t sec_since_1970, std::uint32_t ns);

// Another number each day, by the clock on the wall, and when that changes its distance from UTC.
std::int64_t day_number(ev_time);
// Local times are those of UTC from now on. Before the first of these is printed.
void use_utc();

// The kernel's clock said `kernel` at some time between these two readings of boot_clock(), which in a time namespace is
// another clock: see time_namespaces(7). Of several such calls the one counts whose readings are closest. Returns by how
// many ns boot_clock() is ahead of the kernel's.
std::int64_t compare_clocks(std::int64_t before, std::int64_t kernel, std::int64_t after);

}  // namespace needle
