// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A tool that counts calls by their argument: see aggregate.cpp. */
#include "context.bpf.h"
#include "aggregate.bpf.h"
#include "counted.h"
#include "syscall.bpf.h"

AGGREGATE(calls, struct counted_key, struct counted_value, COUNTED_ROOM)

__u32 actors[2] = {}, counted = 0;
__u64 unsent = 0; /* what was returned, for want of room in the ring buffer */

SEC("?tp_btf/sys_enter")
int BPF_PROG(count__tp_enter, struct pt_regs* regs, long nr) {
  __u32 pid = current_pid_tgid() >> 32;
  struct call call = {};
  struct counted_record r = {};

  if (nr != counted || (pid != actors[0] && pid != actors[1])) return 0;
  exit_args(&call, regs);
  r.key.object = call.args[0] & (COUNTED_CLOSE - 1);
  if (!(call.args[0] & COUNTED_CLOSE)) {
    r.value.first = pid;
    calls_add(&r.key, &r.value, r.key.object + 1);
    return 0;
  }
  if (calls_take(&r.key, &r.value) && bpf_ringbuf_output(&events, &r, sizeof(r), 0)) {
    __sync_fetch_and_add(&unsent, r.value.a.count);
    calls_return(&r.key, &r.value);
  }
  return 0;
}
