// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Names of files and directories that filters ask for, and that may come, go, or become others' while the tool runs.
#pragma once

#include <cstdint>
#include <string>

namespace needle {

class Watch {
 public:
  virtual ~Watch() = default;
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // A descriptor that is readable when it is time to look; -1: none could be had.
  virtual int fd() const = 0;
  // Says what is waited for.
  virtual void tell_absent() const = 0;
  // Looks, tells the programs, and says what has changed.
  virtual void look() = 0;
  // What look() needs, of the bits of linux/capability.h.
  virtual std::uint64_t capabilities() const = 0;

 protected:
  Watch() = default;
};

// Hears of names that come and go.
class Notify {
 public:
  Notify();
  ~Notify();
  Notify(const Notify&) = delete;
  Notify& operator=(const Notify&) = delete;

  int fd() const { return fd_; }
  // Watches the directory that the path is in, or what there is of the path to it: the nearest one hears of the next.
  void watch(const std::string& path);
  void drain();

 private:
  int fd_;
};

}  // namespace needle
