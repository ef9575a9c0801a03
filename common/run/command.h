// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A program that the tool runs, to follow it from its first instruction.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace needle {

class Command {
 public:
  // Forks a child that waits to be let go. It has nothing of the tool's: no descriptor, no signal
  // handler, no capability. `user`: who is to run it; empty: who called, also through sudo.
  // Throws BadUsage, or Error with the status of a shell that does not find the program.
  Command(const std::vector<std::string>& argv, const std::string& user);
  ~Command();  // a child that was not let go ends; one that was goes on
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  void go();  // returns when the program runs: throws Error if it cannot
  pid_t pid() const { return pid_; }
  int fd() const { return fd_; }  // a pidfd: readable when it has ended
  int wait();                     // for its end, which may have been; its status as of waitpid(2)

 private:
  void listen();  // until the child says something, or runs: throws Error

  std::string name_;
  pid_t pid_ = -1;
  int fd_ = -1, go_ = -1, said_ = -1;
  std::optional<int> status_;
};

// Ends the tool as the command ended: with its status, or by the same signal.
[[noreturn]] void exit_like(int status);

}  // namespace needle
