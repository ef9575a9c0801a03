// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// floor BYTES - runs an empty program at the end of every system call (0), or one that sends a
// record of so many bytes for each openat(2); takes the records and throws them away.
#include "floor.skel.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
  const int bytes = argc > 1 ? std::atoi(argv[1]) : 0;
  floor_bpf* s = floor_bpf::open();
  if (!s) return 1;
  s->rodata->record_bytes = static_cast<__u32>(bytes);
  s->rodata->call_nr = SYS_openat;
  bpf_program__set_autoload(bytes ? s->progs.send : s->progs.empty, true);
  if (floor_bpf::load(s) || floor_bpf::attach(s)) return 1;
  ring_buffer* ring = ring_buffer__new(
      bpf_map__fd(s->maps.events), [](void*, void*, std::size_t) { return 0; }, nullptr, nullptr);
  std::fputs("floor: tracing\n", stderr);
  for (;;) {
    ring_buffer__consume(ring);
    usleep(10'000);
  }
}
