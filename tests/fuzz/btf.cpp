// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Any bytes as the kernel's types: an Error or an answer, and what is handed on to libbpf is BTF.
#include "fuzz.h"

#include "error.h"
#include "load/kernel_btf.h"

#include <bpf/btf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>

std::vector<std::string> seeds() {
  btf* const b = btf__new_empty();
  const int integer = btf__add_int(b, "int", 4, BTF_INT_SIGNED);
  btf__add_struct(b, "record", 8);
  btf__add_field(b, "one", integer, 0, 0);
  btf__add_ptr(b, 2);
  btf__add_array(b, integer, integer, 3);
  btf__add_struct(b, "task_struct", 16);
  btf__add_field(b, "next", 3, 0, 0);
  btf__add_field(b, "all", 4, 64, 0);
  btf__add_enum(b, "kind", 4);
  btf__add_enum_value(b, "KIND", 1);
  btf__add_func(b, "do_open", BTF_FUNC_STATIC, btf__add_func_proto(b, integer));
  btf__add_typedef(b, "btf_trace_sys_exit", 3);
  __u32 size = 0;
  const void* const raw = btf__raw_data(b, &size);
  std::string bytes(static_cast<const char*>(raw), size);
  btf__free(b);
  return {bytes};
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const int file = memfd_create("btf", MFD_CLOEXEC);
  static const std::string path = "/proc/self/fd/" + std::to_string(file);
  static btf* const program = [] {
    btf* b = btf__new_empty();
    btf__add_struct(b, "task_struct", 4);
    btf__add_struct(b, "record___old", 4);
    return b;
  }();
  if (ftruncate(file, 0) != 0 || pwrite(file, data, size, 0) != static_cast<ssize_t>(size)) return 0;
  try {
    const needle::KernelBtf kernel(path.c_str());
    kernel.function("do_open");
    kernel.tracepoint("sys_exit");
    kernel.structure("record");
    kernel.for_program(program, {"do_open", "btf_trace_sys_exit"});
  } catch (const needle::Error&) {
  }
  return 0;
}
