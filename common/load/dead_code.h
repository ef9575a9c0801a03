// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a program never runs, since nobody asked for it or this kernel needs it not: most of it. The verifier finds and removes
// that too, but it moves all that is behind each piece, a hundred bytes an instruction, and that takes longer than what it is there for.
#pragma once

#include <linux/bpf.h>

#include <cstddef>
#include <span>
#include <vector>

namespace needle {

// The map of constants that a program reads, as it will be when the program runs. `bytes`: borrowed.
struct Constants {
  int fd = -1;
  std::span<const std::byte> bytes;
};

// Removes from `code`, relocated and about to be loaded, the instructions that no constants of these let it reach, and decides
// the jumps that they decide. `functions` are moved along, those that are gone removed. What it does not understand it keeps.
void remove_dead_code(std::vector<bpf_insn>& code, std::vector<bpf_func_info>& functions, const Constants& constants);

}  // namespace needle
