// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What comes from outside: SIGINT, SIGTERM and SIGHUP end a trace, others ask for something.
#pragma once

namespace needle {

class Command;

struct Signals {
  bool reopen = false;   // SIGHUP is no end, but where the terminal has gone
  bool summary = false;  // SIGQUIT is no end
};

// From now on they are counted, or passed on to the command (borrowed, null: none) for as long as it runs; SIGPIPE is ignored.
// Handlers, not a signalfd: they also interrupt a write() that nobody reads. Once a process.
void watch_signals(const Command*, Signals = {});

int stop_signals();            // how many have come that end the trace
bool take_signal(int signal);  // whether SIGUSR1, or SIGHUP or SIGQUIT that are no end, has come since the last call
int signal_event();            // an eventfd(2) that becomes readable with each; -1 before watch_signals()

}  // namespace needle
