// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a program attaches to, and the functions of the kernel that it calls, libbpf looks up in the kernel's types, which it
// reads whole for each object: 8 ms and 6 MB. With this a KernelBtf answers.
#pragma once

#include "kernel_btf.h"

#include <bpf/libbpf.h>

#include <string>

namespace needle {

// "tp_btf/sys_exit" in its two parts.
struct Section {
  std::string kind, target;
};
Section section_of(const bpf_program*);

// How tp_btf programs get their arguments: as pointers to the kernel's types, or as numbers where the kernel has no types,
// for which `kernel` is not asked.
enum class Arguments { typed, numbers };

// For all objects that this process opens from now on, with the same `arguments` each time. `kernel`: borrowed, until the
// last of them has been loaded. Programs may call bpf_rdonly_cast(), as READ() in bpf/kernel.h does, where the kernel has that function.
void answer_libbpf(const KernelBtf& kernel, Arguments arguments);

}  // namespace needle
