// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* One program at each tracepoint of all system calls, in a process with several tools: it runs those of their programs that want the
 * call. Each program at a raw tracepoint costs every system call of the machine some 50 ns; a look at a table costs next to nothing.
 *
 * The programs are those of the tools' own objects, which user space puts into the arrays. A tail call does not return; made from
 * a function, it is that which it does not return to, and the next program can be run. That is known to x86 since 5.10, to
 * arm64 since 6.0; elsewhere this is refused, and each program is attached by itself. */
#include "kernel.h"
#include "dispatch.h"
#include "syscalls.h"

const volatile bool untyped = false; /* see state.bpf.h */

#define PROGRAMS(name)                                        \
	struct {                                              \
		__uint(type, BPF_MAP_TYPE_PROG_ARRAY);        \
		__uint(max_entries, DISPATCHED_PROGRAMS_MAX); \
		__type(key, __u32);                           \
		__type(value, __u32);                         \
	} name SEC(".maps")
/* Programs of one array must have the same arguments: the kernel compares. */
PROGRAMS(enter_programs);
PROGRAMS(exit_programs);
struct dispatched enter_calls[DISPATCHED_NR_MAX] = {}, exit_calls[DISPATCHED_NR_MAX] = {};

/* What a call runs that nobody wants is kept short: it costs all of them. */
#define DISPATCHER(program, section, programs, calls)                                            \
	static __noinline int programs##_run(void *ctx, __u32 place)                             \
	{                                                                                        \
		bpf_tail_call(ctx, &programs, place);                                            \
		return 0;                                                                        \
	}                                                                                        \
	static __noinline int programs##_run_all(void *ctx, __u32 nr)                            \
	{                                                                                        \
		for (int i = 0; i < DISPATCHED_RUNS_MAX; i++) {                                  \
			__u8 place = calls[nr & (DISPATCHED_NR_MAX - 1)].places[i];              \
                                                                                                 \
			if (!place)                                                              \
				break;                                                           \
			programs##_run(ctx, place - 1);                                          \
		}                                                                                \
		return 0;                                                                        \
	}                                                                                        \
	SEC(section)                                                                             \
	int BPF_PROG(program, struct pt_regs *regs)                                              \
	{                                                                                        \
		__u32 nr = plain_number(untyped ? BPF_CORE_READ(regs, REGS_NR) : regs->REGS_NR); \
                                                                                                 \
		if (nr < DISPATCHED_NR_MAX && calls[nr & (DISPATCHED_NR_MAX - 1)].places[0])     \
			programs##_run_all(ctx, nr);                                             \
		return 0;                                                                        \
	}

DISPATCHER(dispatch_enter, "tp_btf/sys_enter", enter_programs, enter_calls)
DISPATCHER(dispatch_exit, "tp_btf/sys_exit", exit_programs, exit_calls)

char LICENSE[] SEC("license") = "Dual BSD/GPL";
