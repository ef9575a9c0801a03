// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Knows the container of each record, for its columns and for --container, --exclude-container and --host.
#pragma once

#include "stage.h"
#include "who/container_filter.h"
#include "who/context.h"

#include <chrono>
#include <cstddef>
#include <utility>
#include <vector>

namespace needle {

class ContainerStage final : public Stage {
 public:
  // `filter`: borrowed; null: all are wanted. `unwanted`: of each object the programs' memory of cgroups that nobody
  // wants (UNWANTED_SLOTS of them, borrowed), by which they leave out most of what this would.
  ContainerStage(const ContainerFilter* filter, std::vector<__u64*> unwanted) : filter_(filter), programs_(std::move(unwanted)) {}

  bool wants(Record&) override;
  void learn(const Record&) override;
  void between_batches() override;
  std::uint64_t undecided() const override { return undecided_; }

 private:
  void tell_programs(const ev_cgroups&, bool unwanted);

  const ContainerFilter* filter_;
  std::vector<__u64*> programs_;
  Cgroups cgroups_;
  std::vector<ev_cgroups> unwanted_;  // in the slots of the programs
  std::size_t reviewed_ = 0;
  std::chrono::steady_clock::time_point reviewed_at_{};
  std::uint64_t undecided_ = 0;
};

}  // namespace needle
