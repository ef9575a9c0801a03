// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// User space's side of bpf/aggregate.bpf.h: tells from time to time, and at the end, what the programs have counted.
#pragma once

#include "aggregate.h"

#include <chrono>
#include <cstddef>
#include <functional>
#include <span>
#include <string>

struct bpf_map;     // libbpf's
struct bpf_object;  // libbpf's

namespace needle {

class Aggregate {
 public:
  using Each = std::function<void(std::span<const std::byte> key, std::span<const std::byte> value)>;

  // Of AGGREGATE(name, ...) in `object`, which is loaded and borrowed. `every`: --every. Throws Error.
  Aggregate(bpf_object* object, const std::string& name, std::chrono::milliseconds every);

  // Whether collect() is due.
  bool due(std::chrono::steady_clock::time_point now) const { return now >= next_; }
  // Hands over all that has been counted since the last time, each key once, and forgets it. What comes meanwhile is counted
  // for the next time: not one is lost, nor counted twice. Waits some ms for programs that run. Throws Error.
  void collect(const Each&);

 private:
  bpf_map *in_use_, *spare_;
  int used_;  // what the programs look the map in use up in
  std::chrono::milliseconds every_;
  std::chrono::steady_clock::time_point next_;
};

}  // namespace needle
