/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A function's fentry and fexit programs are run by its trampoline. When anybody attaches another program there, or takes one
 * away, the kernel builds a new one, and what is inside the function by then comes back without its fexit programs
 * (bpf_tramp_image_put() in kernel/bpf/trampoline.c). Nothing counts that, so a tool that has such programs watches for it. */
#ifndef NEEDLE_TRAMPOLINE_BPF_H
#define NEEDLE_TRAMPOLINE_BPF_H

#include "snoop.bpf.h"

static __always_inline int trampoline_changes(struct bpf_trampoline *tr)
{
	__u32 function = READ(tr, key) & 0x7fffffff; /* of a kernel function: bpf_trampoline_compute_key() */

	if (current_pid_tgid() >> 32 == stats.self)
		return 0;
	for (__u32 i = 0; i < FEXITS_MAX; i++)
		if (stats.fexits[i] == function)
			__sync_fetch_and_add(&stats.replaced, 1);
	return 0;
}

/* Programs of an optional unit, for tools with fexit programs. */
#define WATCH_TRAMPOLINES(unit)                                               \
	SEC("?fentry/bpf_trampoline_link_prog")                               \
	int BPF_PROG(unit##_link, void *program, struct bpf_trampoline *tr)   \
	{                                                                     \
		return trampoline_changes(tr);                                \
	}                                                                     \
	SEC("?fentry/bpf_trampoline_unlink_prog")                             \
	int BPF_PROG(unit##_unlink, void *program, struct bpf_trampoline *tr) \
	{                                                                     \
		return trampoline_changes(tr);                                \
	}

#endif
