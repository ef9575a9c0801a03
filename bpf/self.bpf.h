/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What user space cannot find out by itself. */
#ifndef NEEDLE_SELF_BPF_H
#define NEEDLE_SELF_BPF_H

#include "task.bpf.h"

/* task_regs(), before it is known where they are: as the kernel says, or where they usually are, but for two words behind
 * them with CONFIG_X86_FRED (6.9). */
static __always_inline const struct pt_regs *find_regs(void)
{
	struct task_struct *task = current_task();
	const struct pt_regs *regs = READ(task, stack) + THREAD_SIZE - bpf_core_type_size(struct pt_regs);

	if (!untyped && bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs)) /* 5.15 */
		return (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
#if defined(__TARGET_ARCH_x86)
	const struct pt_regs *fred = (void *)regs - 2 * sizeof(long);

	if (bpf_core_field_exists(regs->ssx) && (__u16)READ(regs, ssx) != USER_DS && (__u16)READ(fred, ssx) == USER_DS)
		return fred;
#endif
	return regs;
}

/* Run once by user space, through BPF_PROG_TEST_RUN, to learn who the tool itself is, whose getpid() may be that of another
 * pid namespace, what clock the kernel has, and where on its stack a task's registers are: the same for all. */
SEC("raw_tp")
int self__run(void *ctx)
{
	struct task_struct *task = current_task();

	stats.clock = bpf_ktime_get_boot_ns();
	stats.self = bpf_get_current_pid_tgid() >> 32;
	stats.pid_level = READ(task, thread_pid, level);
	stats.pid_ns = pid_ns_of(task);
	stats.regs = (const void *)find_regs() - READ(task, stack);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#endif
