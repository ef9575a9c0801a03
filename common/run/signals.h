// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What ends a trace from outside: SIGINT, SIGTERM and SIGHUP.
#pragma once

namespace needle {

class Command;

// From now on they are counted, or passed on to the command (borrowed, null: none) for as long as it runs; SIGPIPE is ignored.
// Handlers, not a signalfd: they also interrupt a write() that nobody reads. Once a process.
void watch_signals(const Command*);

int stop_signals();  // how many have come
int stop_event();    // an eventfd(2) that becomes readable with the first; -1 before watch_signals()

}  // namespace needle
