// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// floor OP BYTES - runs an empty program at each hook that the tool for OP (see work.c) has in the tracepoint tier, as far as the
// kernel has it; the one at the end of system calls sends a record of so many bytes for each OP, if that is not 0. Takes
// the records and throws them away.
#include "floor.skel.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#ifndef SYS_chmod
#define SYS_chmod SYS_fchmodat
#endif

namespace {

struct Op {
  const char* name;
  unsigned long call;
  std::vector<std::string> hooks;  // beside the end of system calls
};
const Op kOps[] = {{"open", SYS_openat, {}},
                   {"open-fail", SYS_openat, {}},
                   {"exec", SYS_execve, {"exec", "renamed"}},
                   {"connect", SYS_connect, {"state", "connect"}},
                   {"chmod", SYS_chmod, {"enter", "dirty", "ctime_fine", "ctime_same", "ctime_coarse"}},
                   {"kill", SYS_kill, {"signal"}},
                   {"cred", SYS_setresuid, {}},
                   {"fork", SYS_clone, {"newtask"}}};

// Each alone, so that one that the kernel lacks is left out.
bool run_empty(const std::string& name) {
  floor_bpf* s = floor_bpf::open();
  if (!s) return false;
  bpf_program* p = bpf_object__find_program_by_name(s->obj, name.c_str());
  if (!p || bpf_program__set_autoload(p, true) || floor_bpf::load(s)) return false;
  if (bpf_program__type(p) != BPF_PROG_TYPE_CGROUP_SOCK_ADDR) return bpf_program__attach(p);
  for (const char* root : {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"})
    if (const int fd = open(root, O_RDONLY | O_DIRECTORY); fd >= 0 && bpf_program__attach_cgroup(p, fd)) return true;
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  const Op* op = nullptr;
  for (const Op& o : kOps)
    if (argc == 3 && argv[1] == std::string(o.name)) op = &o;
  if (!op) return std::fputs("usage: floor open|open-fail|exec|connect|chmod|kill|cred|fork BYTES\n", stderr), 2;
  libbpf_set_print(nullptr);
  for (const std::string& hook : op->hooks)
    if (!run_empty(hook)) std::fprintf(stderr, "floor: not %s\n", hook.c_str());
  const int bytes = std::atoi(argv[2]);
  floor_bpf* s = floor_bpf::open();
  if (!s) return 1;
  s->rodata->record_bytes = static_cast<__u32>(bytes);
  s->rodata->call_nr = op->call;
  bpf_program__set_autoload(bytes ? s->progs.send : s->progs.empty, true);
  if (floor_bpf::load(s) || !bpf_program__attach(bytes ? s->progs.send : s->progs.empty)) return 1;
  ring_buffer* ring = ring_buffer__new(
      bpf_map__fd(s->maps.events), [](void*, void*, std::size_t) { return 0; }, nullptr, nullptr);
  std::fputs("floor: tracing\n", stderr);
  for (;;) {
    ring_buffer__consume(ring);
    usleep(10'000);
  }
}
