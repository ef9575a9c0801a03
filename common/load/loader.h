// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a program attaches to, and the functions of the kernel that it calls, libbpf looks up in the kernel's types, which it
// reads whole for each object: 8 ms and 6 MB. With this a KernelBtf answers.
#pragma once

#include "load/kernel_btf.h"

#include <bpf/libbpf.h>

#include <string>
#include <vector>

namespace needle {

// "tp_btf/sys_exit" in its two parts.
struct Section {
  std::string kind, target;
};
Section section_of(const bpf_program*);

// Of the target of a raw_tp section, the tracepoints: ONE+ANOTHER has a program run at several.
std::vector<std::string> tracepoints_in(const std::string& target);

// How tp_btf programs get their arguments: as pointers to the kernel's types, or as numbers where the kernel has no types,
// for which `kernel` is not asked.
enum class Arguments { typed, numbers };

// What READ() in bpf/kernel.h needs of the kernel to do without helpers: see bpf/kfunc.h. Its ids.
struct DirectReads {
  unsigned cast = 0, words = 0;
  explicit operator bool() const { return cast != 0 && words != 0; }
};
DirectReads direct_reads(const KernelBtf&);

// The names of all that a KernelBtf will be asked for to load one of this object's programs.
std::vector<std::string> names_needed(const bpf_object*);

// For all objects that this process opens from now on, with the same `arguments` each time. `kernel`: borrowed, until the
// last of them has been loaded. Direct reads are put in where the kernel has what they need.
void answer_libbpf(const KernelBtf& kernel, Arguments arguments);

// The verifier takes most of a tool's start, and libbpf has it look at one program after the other. After load_together() programs
// are loaded at the same time, by threads: libbpf loads something empty in the place of each, which finish_loads() puts them into
// once they are there. That returns 0, or -errno of one that the kernel refused, and the object is good for nothing.
// `constants`: the object's .rodata as it is to be, which decides what of them is dead code.
void load_together(bpf_map* constants);
int finish_loads();

}  // namespace needle
