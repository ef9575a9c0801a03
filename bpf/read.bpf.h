/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How programs read the kernel's memory. */
#ifndef NEEDLE_READ_BPF_H
#define NEEDLE_READ_BPF_H

#include "kernel.h"
#include "kfunc.h"

/* Set by user space where the kernel has bpf_rdonly_cast() (6.2). */
const volatile bool direct_reads = false;
static void *(*const rdonly_cast)(const void *obj, __u32 btf_id) = (void *)KFUNC_RDONLY_CAST;

/* What is at `at`, a kernel address, if direct_reads: up to four words. As a type that has nothing but such words, whatever
 * it is: so the verifier need not look for a member, and what is read is but a number to it. */
#define WORDS(at) rdonly_cast((at), KTYPE_WORDS)
#define DIRECT(type, at) (*(typeof(type) *)WORDS(at))

/* The word at `at`. */
static __always_inline unsigned long word_at(const void *at)
{
	unsigned long word = 0;

	if (direct_reads)
		return DIRECT(unsigned long, at);
	bpf_probe_read_kernel(&word, sizeof(word), at);
	return word;
}

/* BPF_CORE_READ(), but by plain loads where the kernel allows them: a helper takes some 10 ns. `src` becomes a variable first: of
 * an expression such as c->inode, BPF_CORE_READ() would look for c's type in the kernel, too. */
#define READ(src, ...)                                                                           \
	({                                                                                       \
		__auto_type of_ = (src);                                                         \
		direct_reads ? ___bpf_apply(READ_, ___bpf_narg(__VA_ARGS__))(of_, __VA_ARGS__) : \
			       BPF_CORE_READ(of_, __VA_ARGS__);                                  \
	})
#define READ_1(src, a)                                                                         \
	({                                                                                     \
		__auto_type src_ = (src);                                                      \
		DIRECT(src_->a, (const void *)src_ + bpf_core_field_offset(typeof(*src_), a)); \
	})
#define READ_2(src, a, ...) READ_1(READ_1(src, a), __VA_ARGS__)
#define READ_3(src, a, ...) READ_2(READ_1(src, a), __VA_ARGS__)
#define READ_4(src, a, ...) READ_3(READ_1(src, a), __VA_ARGS__)

/* A pointer that the verifier knows, as the number that a global function takes: to it, what has been negated is none. */
static __always_inline __u64 number(const void *pointer)
{
	__u64 n = (__u64)pointer;

	__asm__("%[n] = -%[n]\n%[n] = -%[n]" : [n] "+r"(n));
	return n;
}

/* bpf_get_current_task(), which is the same as long as a program runs: as assembly without side effects, so that the
 * compiler calls it once, however often it is asked for. */
static __always_inline struct task_struct *current_task(void)
{
	struct task_struct *task;

	__asm__("call %[helper]\n%[task] = r0"
		: [task] "=r"(task)
		: [helper] "i"(BPF_FUNC_get_current_task)
		: "r0", "r1", "r2", "r3", "r4", "r5");
	return task;
}

#endif
