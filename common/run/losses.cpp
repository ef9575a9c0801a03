// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/losses.h"

#include "run/message.h"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <atomic>
#include <fstream>
#include <string>

namespace needle {
namespace {

using Tracers = std::span<const std::unique_ptr<Tracer>>;

std::uint64_t read(__u64& counter) { return std::atomic_ref(counter).load(std::memory_order_relaxed); }

// Times that the kernel did not run a program because it was already running on that CPU, which it counts since 5.12:
// bpf_prog_show_fdinfo() in kernel/bpf/syscall.c. Kernels before 5.19 allow no bpf(2) to a tool that has dropped its privileges where
// kernel.unprivileged_bpf_disabled is set, as it mostly is; before 5.15, one with file capabilities cannot read its own /proc.
std::uint64_t skipped_runs(const bpf_program* program) {
  const int fd = bpf_program__fd(program);
  std::uint64_t skipped = 0;
  if (std::ifstream in(fmt::format("/proc/self/fdinfo/{}", fd)); in) {
    for (std::string word; in >> word;)
      if (word == "recursion_misses:") in >> skipped;
    return skipped;
  }
  bpf_prog_info info{};
  __u32 size = sizeof info;
  return bpf_obj_get_info_by_fd(fd, &info, &size) == 0 ? info.recursion_misses : 0;
}

std::uint64_t lost_by(event_stats& s) { return read(s.lost_full) + read(s.lost_busy) + read(s.lost_map); }

template <class F> std::uint64_t sum_of(Tracers tracers, F f) {
  std::uint64_t sum = 0;
  for (const auto& t : tracers) sum += f(*t);
  return sum;
}
std::uint64_t sum_of(Tracers tracers, __u64 event_stats::*counter) {
  return sum_of(tracers, [counter](const Tracer& t) { return read(t.stats().*counter); });
}

// " (open 12, exec 1)": whose events they are, of several tools.
std::string by_event(Tracers tracers) {
  std::string text;
  for (const auto& t : tracers)
    if (const std::uint64_t lost = lost_by(t->stats()); lost > 0)
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", t->tool().event, lost);
  return tracers.size() < 2 || text.empty() ? "" : ": " + text;
}

std::uint64_t skipped_runs(const bpf_object* object) {
  std::uint64_t sum = 0;
  for (bpf_program* p = nullptr; (p = bpf_object__next_program(object, p));)
    if (bpf_program__fd(p) >= 0) sum += skipped_runs(p);
  return sum;
}

}  // namespace

void Losses::report(Tracers tracers, const bpf_object* dispatcher, std::uint64_t elsewhere, bool end) {
  constexpr auto kSeldom = std::chrono::seconds(1);
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

  const std::uint64_t lost = elsewhere + sum_of(tracers, [](const Tracer& t) { return lost_by(t.stats()); });
  record("lost", lost_, lost);
  if (end || time - looked_at_ >= kSeldom) {
    looked_at_ = time;
    const std::uint64_t skipped = sum_of(tracers, [](const Tracer&t) { return skipped_runs(t.object().bpf); }) +
                                  (dispatcher ? skipped_runs(dispatcher) : 0),
                        replaced = sum_of(tracers, &event_stats::replaced);
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
  const std::uint64_t unfollowed = sum_of(tracers, &event_stats::unfollowed), followed = sum_of(tracers, &event_stats::followed);
  if ((lost == lost_.said && unfollowed == unfollowed_.said) || (!end && time - said_at_ < kSeldom)) return;
  said_at_ = time;
  const std::uint64_t full = sum_of(tracers, &event_stats::lost_full);
  const char* const advice = full != full_.said ? "; a larger --buffer may hold them" : "";
  tell(lost_, lost,
       [&](auto more, auto all) { return fmt::format("lost {} events ({} in all{}){}", more, all, by_event(tracers), advice); });
  full_.said = full;
  tell(unfollowed_, unfollowed, [followed](auto more, auto all) {
    return fmt::format("{} processes ({} in all) are not followed, there are {} already: what they do is not shown", more, all,
                       followed);
  });
}

}  // namespace needle
