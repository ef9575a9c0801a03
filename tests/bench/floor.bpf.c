// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The least that a tracer can cost: an empty program where ours hook, and one that sends a
 * record of the usual size for each open, and does nothing else. */
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

char LICENSE[] SEC("license") = "Dual BSD/GPL";
