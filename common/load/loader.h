// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a program attaches to, and the functions of the kernel that it calls, libbpf looks up in the kernel's types, which it
// reads whole for each object: 8 ms and 6 MB. With this a KernelBtf answers.
#pragma once

#include "load/kernel_btf.h"

#include <bpf/libbpf.h>

#include <cstddef>
#include <functional>
#include <future>
#include <optional>
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

// What READ() in bpf/read.bpf.h needs of the kernel to do without helpers: see bpf/kfunc.h. Its ids.
struct DirectReads {
  unsigned cast = 0, words = 0;
  explicit operator bool() const { return cast != 0 && words != 0; }
};
DirectReads direct_reads(const KernelBtf&);

// The names of all that a KernelBtf will be asked for to load one of this object's programs.
std::vector<std::string> names_needed(const bpf_object*);

// While one lives, the BPF objects of this process are opened and loaded by it: libbpf has one set of handlers for all. So
// there is one at a time. Direct reads are put in where the kernel has what they need.
//
// The verifier takes most of a tool's start, and libbpf has it look at one program after the other. load() has them loaded at
// the same time, by threads: libbpf loads something empty in the place of each, which is replaced once all are there.
class Loader {
 public:
  Loader(const KernelBtf& kernel, Arguments arguments);  // `kernel`: borrowed
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // Calls `load`, which loads the object that has these constants (its .rodata as it is to be, which decides what of the
  // programs is dead code). Returns 0, or -errno of what failed: then the object is good for nothing.
  int load(bpf_map* constants, const std::function<int()>& load);

  // libbpf's handlers call these.
  int prepare(bpf_program* p, bpf_prog_load_opts* opts);

 private:
  struct Load {
    const bpf_program* program;
    std::future<int> fd;  // or -errno
  };

  void load_apart(bpf_program* p, bpf_prog_load_opts* opts);
  int finish();

  const KernelBtf& kernel_;
  const Arguments arguments_;
  std::optional<std::vector<Load>> loads_;  // while programs are loaded together
  bpf_map* constants_ = nullptr;            // of their object
  std::vector<std::byte> constant_bytes_;
};

}  // namespace needle
