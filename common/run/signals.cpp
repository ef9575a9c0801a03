// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/signals.h"

#include "run/command.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>

namespace needle {
namespace {

volatile std::sig_atomic_t stops = 0;
int event = -1;

const Command* signalled = nullptr;  // signals are for it, as long as it runs

bool has_ended(const Command& command) {
  pollfd p{command.fd(), POLLIN, 0};
  return poll(&p, 1, 0) != 0;
}

void on_stop(int signal, siginfo_t* info, void*) {
  const int error = errno;
  if (signalled && !has_ended(*signalled)) {
    const bool from_terminal = info->si_code == SI_KERNEL && signal != SIGHUP;  // which sends it to the command too
    if (!from_terminal) kill(signalled->pid(), signal);
  } else {
    stops = stops + 1;
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t n = write(event, &one, sizeof one);
  }
  errno = error;
}

}  // namespace

void watch_signals(const Command* command) {
  signalled = command;
  event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  struct sigaction action {};
  action.sa_sigaction = on_stop;
  action.sa_flags = SA_SIGINFO;  // without SA_RESTART
  struct sigaction hangup {};
  sigaction(SIGHUP, nullptr, &hangup);
  for (const int s : {SIGINT, SIGTERM, SIGHUP})
    if (s != SIGHUP || hangup.sa_handler != SIG_IGN) sigaction(s, &action, nullptr);  // nohup means it
  if (command) sigaction(SIGQUIT, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

int stop_signals() { return stops; }
int stop_event() { return event; }

}  // namespace needle
