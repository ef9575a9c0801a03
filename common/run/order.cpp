// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/order.h"

#include "event.h"

#include <algorithm>
#include <cstring>

namespace needle {

void Order::add(std::span<const std::byte> record) {
  const std::size_t at = (bytes_.size() + alignof(event_header) - 1) & ~(alignof(event_header) - 1);
  bytes_.resize(at + record.size());
  std::memcpy(bytes_.data() + at, record.data(), record.size());
  const auto time = static_cast<std::uint64_t>(reinterpret_cast<const event_header*>(bytes_.data() + at)->time);
  newest_ = std::max(newest_, time);
  held_.push_back({time, at, record.size()});
}

void Order::deliver(std::int64_t now, bool all, bool end) {
  constexpr auto kNs = static_cast<std::uint64_t>(std::chrono::nanoseconds(kHold).count());
  // What was left in the buffer has been put there after the newest of those that were taken.
  const std::uint64_t looked = all ? static_cast<std::uint64_t>(now) : std::min(newest_, static_cast<std::uint64_t>(now));
  const std::uint64_t until = end ? ~0ull : looked - std::min(looked, kNs);
  std::stable_sort(held_.begin(), held_.end(), [](const Held& a, const Held& b) { return a.time < b.time; });
  auto next = held_.begin();
  bool more = true;
  for (; more && next != held_.end() && next->time < until; ++next) {
    const bool late = next->time < delivered_;
    delivered_ = std::max(delivered_, next->time);
    more = deliver_({bytes_.data() + next->at, next->size}, late);
  }
  held_.erase(held_.begin(), next);
  spare_.clear();
  for (Held& h : held_) {  // few
    const std::size_t at = (spare_.size() + alignof(event_header) - 1) & ~(alignof(event_header) - 1);
    spare_.resize(at + h.size);
    std::memcpy(spare_.data() + at, bytes_.data() + h.at, h.size);
    h.at = at;
  }
  bytes_.swap(spare_);
}

}  // namespace needle
