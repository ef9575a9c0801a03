// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What could not be shown: counted by the programs, told as it happens and in a total at the end.
#pragma once

#include "run/tracer.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

namespace needle {

class Losses {
 public:
  // Puts a record into the stream, where there is one for programs: see Output::missing().
  using Record = std::function<void(std::string_view what, std::uint64_t now, std::uint64_t total)>;

  explicit Losses(Record record) : record_(std::move(record)) {}

  // Losses in the stream at once; all on stderr once a second, and at the `end`. `elsewhere`: events that user space
  // has lost: left out because nobody could say whether they are asked for, or left in the buffer.
  // `dispatcher`: its programs, borrowed; null: there are none.
  void report(std::span<const std::unique_ptr<Tracer>>, const bpf_object* dispatcher, std::uint64_t elsewhere, bool end);
  std::uint64_t said() const { return lost_.said; }
  std::uint64_t skipped() const { return skipped_.said; }    // runs of the programs
  std::uint64_t replaced() const { return replaced_.said; }  // hooks

 private:
  struct Told {
    std::uint64_t recorded = 0, said = 0;
  };

  Record record_;
  Told lost_, full_, skipped_, replaced_, unfollowed_;
  std::chrono::steady_clock::time_point said_at_{}, looked_at_{};
};

}  // namespace needle
