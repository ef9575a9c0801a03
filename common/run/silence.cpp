// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/silence.h"

#include "run/message.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>

namespace needle {
namespace {

constexpr auto kPatience = std::chrono::seconds(5);

// "12,345"
std::string grouped(std::uint64_t number) {
  std::string digits = fmt::format("{}", number);
  for (std::size_t i = digits.size(); i > 3;) digits.insert(i -= 3, ",");
  return digits;
}

}  // namespace

Silence::Silence(std::vector<Object*> objects, const Tool& tool)
    : objects_(std::move(objects)), events_(tool.event.empty() ? "events" : fmt::format("{}s", tool.event)) {
  for (Object* const o : objects_) std::atomic_ref(o->stats().counts_dropped).store(1);
}

std::uint64_t Silence::dropped() const {
  std::uint64_t sum = 0;
  for (Object* const o : objects_)
    for (std::size_t i = 0; i < DROPPED_SLOTS; i++) sum += std::atomic_ref(o->dropped()[i].count).load(std::memory_order_relaxed);
  return sum;
}

void Silence::look(std::uint64_t shown, std::uint64_t received) {
  if (silent_ && shown > 0) {
    silent_ = false;
    for (Object* const o : objects_) std::atomic_ref(o->stats().counts_dropped).store(0);  // it costs a little
  }
  if (!silent_ || said_ || std::chrono::steady_clock::now() - begin_ < kPatience || !isatty(STDERR_FILENO)) return;
  const std::uint64_t seen = dropped() + received;
  if (seen == 0) return;
  said_ = true;
  say(fmt::format("{} {} seen, none matched yet", grouped(seen), events_));
}

std::string Silence::left_out(std::uint64_t shown, std::uint64_t received) const {
  const std::uint64_t seen = dropped() + received;
  return shown == 0 && seen > 0 ? fmt::format(", {} left out by the filters", grouped(seen)) : std::string{};
}

}  // namespace needle
