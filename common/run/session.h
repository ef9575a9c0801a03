// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Tools at work: their programs are attached, their events become lines.
#pragma once

#include "run/command.h"
#include "run/losses.h"
#include "run/options.h"
#include "run/order.h"
#include "run/selection.h"
#include "run/silence.h"
#include "run/sink.h"
#include "run/tracer.h"
#include "stage.h"
#include "print/output.h"

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace needle {

class Session {
 public:
  // Loads and attaches: throws Error, of several tools if none can be. `as`: what the stream is called, whose columns options.columns
  // are; alone in `tools`, or else of these the events are put in the order of their times. All are borrowed.
  Session(const Tool& as, const Options& options, std::span<const Traced> tools, Command* = nullptr);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Until a signal, the end of the time or of the count, of all that is followed, or of the reader.
  // Lets the command go, and returns when it has ended. Throws Error when standard output fails.
  void run();

 private:
  void trace(std::span<const Traced> tools);
  const Tool* tool_of(const void* data, std::size_t size) const;
  int receive(void* data, std::size_t size);
  bool deliver(std::span<std::byte> record, bool late);
  void tell_reader(reader_waits);
  std::vector<Watch*> watches() const;                 // of all tools
  Tracer& first() const { return *tracers_.front(); }  // which has what all share
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
  Dispatcher dispatcher_;                         // of several tools
  std::vector<std::unique_ptr<Tracer>> tracers_;  // made by the constructor, once the rest is there
  std::vector<const Tool*> tools_;                // by the number in a record
  std::vector<std::uint64_t> shown_;              // events of each
  std::optional<Order> order_;
  std::vector<std::unique_ptr<Stage>> stages_;
  Buffer out_;
  Losses losses_;
  std::optional<Silence> silence_;
  std::uint64_t events_ = 0, records_ = 0;      // shown; received
  std::uint64_t unread_ = 0;                    // events that were left in the buffer
  std::array<std::vector<int>, LISTS> listed_;  // pidfds of those of -p, -t, --ppid, --target that have not ended
  bool done_ = false;
  std::string_view why_ = "signal";  // it ends, in one word
};

}  // namespace needle
