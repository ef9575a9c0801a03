// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A tool at work: its programs are attached, its events become lines.
#pragma once

#include "run/command.h"
#include "run/losses.h"
#include "run/options.h"
#include "run/silence.h"
#include "run/sink.h"
#include "run/tracer.h"
#include "stage.h"
#include "print/output.h"

#include <array>
#include <memory>
#include <optional>
#include <vector>

namespace needle {

class Session {
 public:
  // Loads and attaches: throws Error. All are borrowed.
  Session(const Tool&, const Options&, Command* = nullptr);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Until a signal, the end of the time or of the count, of all that is followed, or of the reader.
  // Lets the command go, and returns when it has ended. Throws Error when standard output fails.
  void run();

 private:
  int receive(void* data, std::size_t size);
  bool consume();
  void drain();
  void abandon();
  void loop();
  void watch_listed();
  std::uint64_t followed() const;
  void flush();
  void begin(Buffer&, unsigned part) const;
  void end();
  void obey_signals();
  std::size_t screen_columns() const;
  unsigned screen_rows() const;
  void show_summary();
  void report_losses(bool end);

  const Tool& tool_;
  const Options& options_;
  Command* command_;
  Sink sink_;
  std::unique_ptr<Output> output_;
  std::optional<Tracer> tracer_;  // made by the constructor, once the rest is there
  std::vector<std::unique_ptr<Stage>> stages_;
  Buffer out_;
  Losses losses_;
  std::optional<Silence> silence_;
  std::uint64_t events_ = 0, records_ = 0;      // shown; received
  std::uint64_t unread_ = 0;                    // events that were left in the buffer
  std::array<std::vector<int>, LISTS> listed_;  // pidfds of those of -p, -t, --ppid that have not ended
  bool done_ = false;
  std::string_view why_ = "signal";  // it ends, in one word
};

}  // namespace needle
