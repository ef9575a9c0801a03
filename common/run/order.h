// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Puts records in the order of their times. They come nearly so: a record is put into the ring buffer a little after its time was
// taken, and meanwhile other CPUs put theirs.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace needle {

class Order {
 public:
  // How long a record is held back, from its time on, for those that another CPU puts into the buffer after it. What takes longer
  // is late: a program that was preempted, the outcome of a connect that was long in coming.
  static constexpr std::chrono::milliseconds kHold{5};

  // `late`: one with a later time was delivered before. Returns false: no more now.
  using Deliver = std::function<bool(std::span<std::byte> record, bool late)>;

  explicit Order(Deliver deliver) : deliver_(std::move(deliver)) {}

  void add(std::span<const std::byte> record);  // begins with struct event_header; is copied
  // Delivers what may go: all of it at the `end`; else what is so old. `now`: when the ring buffer was looked at, by the clock of
  // the records. `all`: all that was in it was added.
  void deliver(std::int64_t now, bool all, bool end);
  bool holds() const { return !held_.empty(); }

 private:
  struct Held {
    std::uint64_t time;
    std::size_t at, size;  // in bytes_
  };

  Deliver deliver_;
  std::vector<Held> held_;
  std::vector<std::byte> bytes_, spare_;
  std::uint64_t newest_ = 0, delivered_ = 0;  // times: of those added, of those delivered
};

}  // namespace needle
