// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "who/container_stage.h"

#include "control.h"

#include <atomic>

namespace needle {

void ContainerStage::learn(const Record& r) {
  if (r.as<event_header>().kind == KIND_CGROUPS) cgroups_.learn(r);
}

bool ContainerStage::wants(Record& r) {
  const context* const who = r.who();
  if (const ::target* const t = r.target()) r.target_container = cgroups_.container(t->cgroups);
  r.container = who ? cgroups_.container(who->cgroups) : &unknown_container();
  if (!filter_) return true;
  if (r.container == &unknown_container()) {  // there was no room to tell of its cgroup
    undecided_++;
    return false;
  }
  const ContainerFilter::Verdict verdict = filter_->of(r.container, cgroups_.claims(who->cgroups));
  if (verdict == ContainerFilter::Verdict::unwanted) tell_programs(who->cgroups, true);
  return verdict == ContainerFilter::Verdict::wanted;  // what comes before the programs know is neither shown nor lost
}

void ContainerStage::tell_programs(const ev_cgroups& cgroups, bool unwanted) {
  const __u64 key = cgroups_key(&cgroups);
  unwanted_.resize(UNWANTED_SLOTS);
  unwanted_[UNWANTED_SLOT(key)] = unwanted ? cgroups : ev_cgroups{};
  for (__u64* const programs : programs_)
    std::atomic_ref(programs[UNWANTED_SLOT(key)]).store(unwanted ? key : 0, std::memory_order_relaxed);
}

// What the programs were told is taken back where a container has another name by now, or a cgroup has become one.
void ContainerStage::between_batches() {
  constexpr std::size_t kSome = 512;  // at a time
  const auto now = std::chrono::steady_clock::now();
  if (unwanted_.empty() || now - reviewed_at_ < std::chrono::milliseconds(500)) return;
  reviewed_at_ = now;
  std::size_t left = kSome;
  for (std::size_t i = 0; i < UNWANTED_SLOTS && left > 0; i++) {
    const ev_cgroups cgroups = unwanted_[reviewed_++ % UNWANTED_SLOTS];
    if (cgroups.unified == 0 && cgroups.v1 == 0) continue;
    left--;
    const Container* c = cgroups_.container(cgroups);
    if (c != &unknown_container() && filter_->of(c, cgroups_.claims(cgroups)) == ContainerFilter::Verdict::unwanted) continue;
    tell_programs(cgroups, false);
  }
}

}  // namespace needle
