// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// One tool's programs at work: loaded as the options ask for, and attached.
#pragma once

#include "load/hooks.h"
#include "run/options.h"
#include "run/ring.h"
#include "tool.h"
#include "run/watch.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace needle {

class Tracer {
 public:
  // Is handed each record, of the ring buffer's memory. An error (-errno) makes consume() pause; the record has been taken then.
  using Receive = std::function<int(void* data, std::size_t size)>;

  // Throws Error. `tool` and `options`: borrowed. Of several in one process: `number` goes into each record, and all but the first
  // one use what `first` (borrowed, null: this is it) has: the ring buffer, so that Receive gets the records of all, the lists of
  // the filter, who is followed, lineages, the memory for events.
  Tracer(const Tool& tool, const Options& options, Receive receive, unsigned number = 0, const Tracer* first = nullptr,
         Dispatcher* dispatcher = nullptr);
  ~Tracer();
  Tracer(const Tracer&) = delete;
  Tracer& operator=(const Tracer&) = delete;

  const Tool& tool() const { return tool_; }
  // What must see a process end after all tools have, and who is followed: once all of them are there. Throws Error.
  void begin();
  std::int64_t clock_ahead() const { return ahead_; }  // boot_clock() less the clock of the records: ns
  Object& object() const { return *object_; }
  ::event_stats& stats() const { return object_->stats(); }
  unsigned wanted() const { return object_->filter->want; }  // enum want_bits
  const std::vector<std::unique_ptr<Watch>>& watches() const { return watches_; }
  int ring_fd() const;

  const std::set<std::string>& programs() const { return hooks_.taken(); }
  void tell_hooks(bool verbose) const;  // what is not seen without those that are missing; all of them
  bool consume();                       // hands over what is there; false: Receive has paused it
  bool all_read() const { return ring_->empty(); }
  // Reads no more of what is there; see Ring::abandon().
  std::uint64_t abandon(const std::function<bool(const void* data, std::size_t size)>& counts) { return ring_->abandon(counts); }
  void detach() { hooks_.detach(); }  // no program runs afterwards
  void tell_rest();                   // sends what is still under way; then there is more to consume

 private:
  void set_up(Object&, MapEntries&) const;
  void loaded(Object&);
  void share(Object&) const;
  void learn_self(Object&);
  void find_followed();

  const Tool& tool_;
  const Options& options_;
  const unsigned number_;
  const Tracer* const first_;
  std::int64_t ahead_ = 0;
  Receive receive_;
  Hooks hooks_;
  std::unique_ptr<Object> object_;  // loaded
  std::optional<Ring> ring_;
  std::vector<std::unique_ptr<Watch>> watches_;
  int rest_ = -1;  // an iterator: when privileges are gone, none could be made
};

}  // namespace needle
