// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/message.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdint>
#include <ctime>
#include <string>

namespace needle {
namespace {

constexpr std::int64_t kMillisecond = 1'000'000, kPatience = 200 * kMillisecond;

std::int64_t now() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1'000'000'000LL + t.tv_nsec;
}

// While it lives a write() comes back: with EPIPE where nobody can read, and with EINTR within a few milliseconds where nobody
// does. poll() alone does not do it: others may fill the pipe between the two, and a terminal takes only a part of a line.
class Impatience {
 public:
  Impatience() {
    struct sigaction ignored {};
    ignored.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &ignored, &pipe_);
    struct sigaction interrupts {};  // without SA_RESTART
    interrupts.sa_handler = [](int) {};
    sigaction(kSignal, &interrupts, &signal_);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, kSignal);
    sigprocmask(SIG_UNBLOCK, &set, &mask_);
    sigevent event{};
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = kSignal;
    made_ = timer_create(CLOCK_MONOTONIC, &event, &timer_) == 0;
    const timespec often{0, 10 * kMillisecond};  // again and again: the first may come before the write() has begun
    const itimerspec times{often, often};
    if (made_) timer_settime(timer_, 0, &times, nullptr);
  }
  ~Impatience() {
    if (made_) timer_delete(timer_);
    sigprocmask(SIG_SETMASK, &mask_, nullptr);
    sigaction(kSignal, &signal_, nullptr);
    sigaction(SIGPIPE, &pipe_, nullptr);
  }
  Impatience(const Impatience&) = delete;
  Impatience& operator=(const Impatience&) = delete;

 private:
  static constexpr int kSignal = SIGURG;  // does nothing unless asked for: one that comes late is harmless
  struct sigaction pipe_ {
  }, signal_{};
  sigset_t mask_{};
  timer_t timer_{};
  bool made_ = false;
};

// Returns how much was written before `deadline`, or before the first error.
std::size_t write_until(std::int64_t deadline, std::string_view text) {
  const Impatience impatience;
  std::size_t done = 0;
  while (done < text.size()) {
    const std::int64_t left = std::max<std::int64_t>(deadline - now(), 0);
    pollfd p{STDERR_FILENO, POLLOUT, 0};
    const int ready = poll(&p, 1, static_cast<int>(left / kMillisecond));
    if (ready < 0 && errno != EINTR) break;
    if (ready == 1) {
      const ssize_t n = write(STDERR_FILENO, text.data() + done, std::min<std::size_t>(text.size() - done, PIPE_BUF));
      if (n > 0) done += static_cast<std::size_t>(n);
      else if (n == 0 || (errno != EINTR && errno != EAGAIN)) break;
    }
    if (ready != 1 && left == 0) break;
    if (done < text.size() && now() >= deadline) break;
  }
  return done;
}

std::uint64_t dropped = 0;  // texts since the last that was written
std::string_view speaker = "needle";
bool within_line = false;  // of the last one, only a part was

bool write_whole(std::string_view text) {
  // Who did not read the last one gets no more time for this.
  const std::size_t n = write_until(now() + (dropped > 0 ? 0 : kPatience), text);
  if (n > 0) within_line = text[n - 1] != '\n';
  return n == text.size();
}

}  // namespace

void speak_as(std::string_view name) noexcept { speaker = name; }

void say_raw(std::string_view lines) noexcept {
  const int error = errno;
  try {
    bool written = true;
    if (dropped > 0) {
      const std::string name(speaker), newline(within_line ? "\n" : "");
      written = write_whole(newline + name + ": " + std::to_string(dropped) + " messages could not be written\n");
      if (written) dropped = 0;
    }
    if (!written || !write_whole(lines)) dropped++;
  } catch (...) {  // no memory
    dropped++;
  }
  errno = error;
}

void say(std::string_view text) noexcept {
  try {
    std::string line(speaker);
    line += ": ";
    line += text;
    line += '\n';
    say_raw(line);
  } catch (...) {
    dropped++;
  }
}

}  // namespace needle
