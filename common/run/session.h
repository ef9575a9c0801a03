// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A tool at work: its programs are attached, its events become lines.
#pragma once

#include "run/command.h"
#include "who/context.h"
#include "who/cgroup_watch.h"
#include "load/hooks.h"
#include "run/options.h"
#include "print/output.h"

#include <array>
#include <chrono>
#include <optional>
#include <memory>

struct ring_buffer;

namespace needle {

class Session {
 public:
  explicit Session(const Options&, Command* = nullptr);  // loads and attaches: throws Error
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Until a signal, the end of the time or of the count, of all that is followed, or of the reader.
  // Lets the command go, and returns when it has ended. Throws Error when standard output fails.
  void run();

 private:
  static int on_record(void* self, void* data, std::size_t size);
  bool consume();
  bool container_wanted(Record);
  void review_unwanted();
  void loop();
  void find_followed();
  void learn_self();
  void watch_listed();
  std::uint64_t followed() const;
  void flush();
  void report_losses(bool end);
  std::uint64_t lost() const;
  std::uint64_t skipped() const;

  const Options& options_;
  Command* command_;
  std::unique_ptr<Output> output_;
  Hooks hooks_;
  Object object_{};
  ::event_stats* stats_ = nullptr;
  ring_buffer* ring_ = nullptr;
  Cgroups cgroups_;
  std::optional<CgroupWatch> cgroup_watch_;  // of --cgroup
  std::vector<ev_cgroups> unwanted_;  // in the slots of the programs
  std::size_t reviewed_ = 0;
  Buffer out_;
  std::uint64_t events_ = 0, records_ = 0, lost_recorded_ = 0, lost_said_ = 0, unfollowed_said_ = 0, skipped_said_ = 0, replaced_said_ = 0, undecided_ = 0;
  std::chrono::steady_clock::time_point lost_said_at_{}, looked_at_{}, reviewed_at_{};
  std::array<std::vector<int>, LISTS> listed_;  // pidfds of those of LIST_PID and LIST_TID that have not ended
  bool done_ = false;
};

}  // namespace needle
