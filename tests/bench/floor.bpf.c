// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The least that a tracer can cost: an empty program at each hook of ours, and one that sends a record of the usual size
 * for each call of interest, and does nothing else. */
#include "kernel.h"

const volatile __u32 record_bytes = 0; /* 0: an empty program */
const volatile __u64 call_nr = 0;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22);
} events SEC(".maps");

char record[256];

SEC("?tp_btf/sys_exit")
int BPF_PROG(empty, struct pt_regs *regs, long ret)
{
	return 0;
}

SEC("?tp_btf/sys_exit")
int BPF_PROG(send, struct pt_regs *regs, long ret)
{
	if ((__u32)regs->REGS_NR == call_nr)
		bpf_ringbuf_output(&events, record, record_bytes & 255, BPF_RB_NO_WAKEUP);
	return 0;
}

#define EMPTY(name, section) \
	SEC("?" section)     \
	int name(void *ctx)  \
	{                    \
		return 1;    \
	}
EMPTY(enter, "raw_tp/sys_enter")
EMPTY(state, "raw_tp/inet_sock_set_state")
EMPTY(connect, "cgroup/connect4")
EMPTY(exec, "raw_tp/sched_process_exec")
EMPTY(renamed, "raw_tp/task_rename")
EMPTY(dirty, "raw_tp/writeback_mark_inode_dirty")
EMPTY(ctime_fine, "raw_tp/ctime_ns_xchg")
EMPTY(ctime_same, "raw_tp/ctime_xchg_skip")
EMPTY(ctime_coarse, "raw_tp/inode_set_ctime_to_ts")
EMPTY(signal, "raw_tp/signal_generate")
EMPTY(newtask, "raw_tp/task_newtask")

char LICENSE[] SEC("license") = "Dual BSD/GPL";
