// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/losses.h"

#include "run/message.h"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <atomic>

namespace needle {
namespace {

std::uint64_t read(__u64& counter) { return std::atomic_ref(counter).load(std::memory_order_relaxed); }

// Times that the kernel did not run a program because it was already running on that CPU.
std::uint64_t skipped_runs(const bpf_object* object) {
  std::uint64_t sum = 0;
  for (bpf_program* p = nullptr; (p = bpf_object__next_program(object, p));) {
    bpf_prog_info info{};
    __u32 size = sizeof info;
    if (bpf_program__fd(p) >= 0 && bpf_obj_get_info_by_fd(bpf_program__fd(p), &info, &size) == 0) sum += info.recursion_misses;
  }
  return sum;
}

}  // namespace

void Losses::report(Object& object, std::uint64_t undecided, bool end) {
  constexpr auto kSeldom = std::chrono::seconds(1);
  event_stats& stats = object.stats();
  const auto time = std::chrono::steady_clock::now();
  const auto record = [this](std::string_view what, Told& told, std::uint64_t sum) {
    if (sum == told.recorded) return;
    record_(what, sum - told.recorded, sum);
    told.recorded = sum;
  };
  const auto tell = [](Told& told, std::uint64_t sum, auto text) {
    if (sum == told.said) return;
    say(text(sum - told.said, sum));
    told.said = sum;
  };

  const std::uint64_t lost = read(stats.lost_full) + read(stats.lost_busy) + read(stats.lost_map) + undecided;
  record("lost", lost_, lost);
  if (end || time - looked_at_ >= kSeldom) {
    looked_at_ = time;
    const std::uint64_t skipped = skipped_runs(object.bpf), replaced = read(stats.replaced);
    record("skipped", skipped_, skipped);
    tell(skipped_, skipped, [](auto more, auto all) {
      return fmt::format("the kernel skipped {} runs of the programs ({} in all); some of them may have been events", more, all);
    });
    record("replaced", replaced_, replaced);
    tell(replaced_, replaced, [](auto more, auto all) {
      return fmt::format(
          "other tracers came or went at the same functions {} times ({} in all); calls that were under way may be missing", more,
          all);
    });
  }
  const std::uint64_t unfollowed = read(stats.unfollowed), followed = read(stats.followed);
  if ((lost == lost_.said && unfollowed == unfollowed_.said) || (!end && time - said_at_ < kSeldom)) return;
  said_at_ = time;
  const std::uint64_t full = read(stats.lost_full);
  const char* const advice = full != full_.said ? "; a larger --buffer may hold them" : "";
  tell(lost_, lost, [advice](auto more, auto all) { return fmt::format("lost {} events ({} in all){}", more, all, advice); });
  full_.said = full;
  tell(unfollowed_, unfollowed, [followed](auto more, auto all) {
    return fmt::format("{} processes ({} in all) are not followed, there are {} already: what they do is not shown", more, all,
                       followed);
  });
}

}  // namespace needle
