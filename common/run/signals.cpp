// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/signals.h"

#include "run/command.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>

namespace needle {
namespace {

volatile std::sig_atomic_t stops = 0, asked[NSIG] = {};
int event = -1;
Signals meaning;
bool had_terminal = false;

const Command* signalled = nullptr;  // signals are for it, as long as it runs

bool has_ended(const Command& command) {
  pollfd p{command.fd(), POLLIN, 0};
  return poll(&p, 1, 0) != 0;
}

// A session that its terminal has left has none any more.
bool has_terminal() {
  const int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

void wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = write(event, &one, sizeof one);
}

void on_ask(int signal) {
  const int error = errno;
  asked[signal] = 1;
  wake();
  errno = error;
}

void on_stop(int signal, siginfo_t* info, void*) {
  const int error = errno;
  if (signalled && !has_ended(*signalled)) {
    const bool from_terminal = info->si_code == SI_KERNEL && signal != SIGHUP;  // which sends it to the command too
    if (!from_terminal) kill(signalled->pid(), signal);
  } else if (signal == SIGHUP && meaning.reopen && !(had_terminal && !has_terminal())) {
    on_ask(signal);
  } else {
    stops = stops + 1;
    wake();
  }
  errno = error;
}

}  // namespace

void watch_signals(const Command* command, Signals signals) {
  signalled = command;
  meaning = signals;
  had_terminal = has_terminal();
  event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  struct sigaction action {};
  action.sa_sigaction = on_stop;
  action.sa_flags = SA_SIGINFO;  // without SA_RESTART
  struct sigaction hangup {};
  sigaction(SIGHUP, nullptr, &hangup);
  for (const int s : {SIGINT, SIGTERM, SIGHUP})
    if (s != SIGHUP || hangup.sa_handler != SIG_IGN) sigaction(s, &action, nullptr);  // nohup means it
  struct sigaction ask {};
  ask.sa_handler = on_ask;
  sigaction(SIGUSR1, &ask, nullptr);
  if (command) sigaction(SIGQUIT, &action, nullptr);
  else if (meaning.summary) sigaction(SIGQUIT, &ask, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

int stop_signals() { return stops; }
int signal_event() { return event; }

bool take_signal(int signal) {
  if (!asked[signal]) return false;
  asked[signal] = 0;
  return true;
}

}  // namespace needle
