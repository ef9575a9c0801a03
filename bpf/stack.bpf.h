/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* When a file system has changed an inode's mode it changes its ctime or marks it dirty, both of
 * which are traced, in the context of the call and with that very inode. The name that the kernel
 * found it by is the struct path that chmod_common() was given: a pointer to it lies in the frames
 * of the functions that it called. */
#ifndef NEEDLE_STACK_BPF_H
#define NEEDLE_STACK_BPF_H

#include "path.bpf.h"

/* The inode that goes by that name now, or NULL. */
static __always_inline struct inode *named(struct vfsmount *mnt, struct dentry *dentry)
{
	struct super_block *sb = READ(dentry, d_sb);

	if (!sb || READ(mnt, mnt_sb) != sb)
		return NULL;
	return READ(dentry, d_inode);
}

#define STACK_BYTES 2304 /* more than lies between the saved registers and those functions */
#define STACK_PART 32    /* words looked at in one call */
#define WORDS_COPIED 8   /* at a time, where words cannot be looked at in place: the programs' own stack is short before 6.13 */

/* Whether it may be the address of an object: reading from others costs a fault. */
static __always_inline bool is_pointer(unsigned long p)
{
	return (long)p < 0 && !(p & (sizeof(long) - 1)) && !IS_ERR_OR_NULL(p);
}

/* Whether `word`, of the kernel stack between `from` and `top`, points to a path of `inode`: one on
 * that stack too, or in a struct file if `by_fd`. */
__noinline int points_to_path(unsigned long word, unsigned long from, unsigned long top, unsigned long inode, int by_fd)
{
	struct path *path = (void *)word;
	struct vfsmount *mnt;
	struct dentry *dentry;
	struct inode *found;

	if (!is_pointer(word) || (word > from && word < top) != !by_fd)
		return 0;
	mnt = READ(path, mnt);
	if (!is_pointer((unsigned long)mnt))
		return 0;
	dentry = READ(path, dentry);
	if (!is_pointer((unsigned long)dentry))
		return 0;
	found = named(mnt, dentry);
	if (!found)
		return 0;
	/* The inode that overlayfs changes is one of the file system beneath. */
	return (unsigned long)found == inode || READ(found, i_sb, s_magic) == OVERLAYFS_SUPER_MAGIC;
}

/* Whether they are the same, or there is no `one`. */
__noinline int agree(unsigned long one, unsigned long other)
{
	struct path *a = (void *)one, *b = (void *)other;

	return !one || one == other || (READ(a, dentry) == READ(b, dentry) && READ(a, mnt) == READ(b, mnt));
}

/* Those of the words at `from` that do must agree with the one at `found`, if it is not 0, and with each other: earlier calls
 * have left theirs where no function has written since, such as the gap of random size that may lie behind the call's entry.
 * Returns where on the stack the outermost one is; 0: there is none; AMBIGUOUS. Read once: programs use the same stack.
 * `key`: what to look for: the distance from a word to what it points to, or the word itself; or all that may be pointers, each of
 * which has to be looked at. */
#define AMBIGUOUS 1
#define ANY_BY_NAME 0
#define ANY_BY_FD 1
__noinline unsigned long path_pointer(unsigned long from, unsigned long top, unsigned long inode, unsigned long key,
				      unsigned long found)
{
	bool any = key <= ANY_BY_FD, by_fd = any ? key : key >= STACK_BYTES;
	unsigned long low = by_fd ? key & ~1ul : from + key, range = !any ? 1 : by_fd ? -1ul : top - from; /* of the words */
	unsigned long step = any || by_fd ? 0 : sizeof(long);
	unsigned long words[WORDS_COPIED], path = found ? word_at((void *)found) : 0, here = 0;

	for (int i = 0; i < STACK_PART; i += 4) {
		unsigned long at = from + i * sizeof(long);
		const __u64 *four = direct_reads ? WORDS((void *)at) : (const __u64 *)&words[i % WORDS_COPIED];

		if (!direct_reads && i % WORDS_COPIED == 0 && bpf_probe_read_kernel(words, sizeof(words), (void *)at))
			return found ?: here;
		if (four[0] - low >= range && four[1] - low - step >= range && four[2] - low - 2 * step >= range &&
		    four[3] - low - 3 * step >= range) { /* most */
			low += 4 * step;
			continue;
		}
		for (int j = 0; j < 4; j++, at += sizeof(long), low += step) {
			unsigned long word = four[j];

			if (word - low >= range || !points_to_path(word, from, top, inode, by_fd))
				continue;
			if (!agree(path, word))
				return AMBIGUOUS;
			path = word;
			here = at;
		}
	}
	return found ?: here;
}

/* The same of the whole stack, from the registers at its `top` to the `frame` of what runs the program: not what earlier calls
 * have left below that. */
__noinline unsigned long find_pointer(unsigned long top, unsigned long frame, unsigned long inode, unsigned long key)
{
	unsigned long found = 0;

	for (int left = STACK_PART * sizeof(long); left <= STACK_BYTES && found != AMBIGUOUS; left += STACK_PART * sizeof(long)) {
		bool last = frame >= top - left && frame < top;

		found = path_pointer(last ? frame : top - left, top, inode, key, found);
		if (last)
			break;
	}
	return found;
}

/* The mount of a struct path of this directory's `dentry` that lies in the words at `from`, or 0. */
__noinline unsigned long mount_at(unsigned long from, unsigned long dentry)
{
	struct super_block *sb = READ((struct dentry *)dentry, d_sb);
	unsigned long words[WORDS_COPIED];

	for (int i = 0; i < STACK_PART; i += 4) {
		unsigned long at = from + i * sizeof(long);
		const __u64 *four = direct_reads ? WORDS((void *)at) : (const __u64 *)&words[i % WORDS_COPIED];

		if (!direct_reads && i % WORDS_COPIED == 0 && bpf_probe_read_kernel(words, sizeof(words), (void *)at))
			return 0;
		for (int j = 0; j < 4; j++, at += sizeof(long)) {
			struct vfsmount *mnt;

			if (four[j] != dentry)
				continue;
			mnt = (void *)word_at((void *)at - sizeof(long));
			if (is_pointer((unsigned long)mnt) && READ(mnt, mnt_sb) == sb &&
			    READ((struct mount *)mount_of(mnt), mnt_ns))
				return (unsigned long)mnt;
		}
	}
	return 0;
}

/* The mount by which the current task's call has come to the directory `dir`, which it has just changed, or NULL: of its struct
 * path, which lies in the frames of the call while that is in progress. `frame`: see changed_path(). */
static __always_inline struct vfsmount *mount_of_dir(struct inode *dir, unsigned long frame)
{
	unsigned long top = (unsigned long)task_regs(), dentry = (unsigned long)alias_of(dir), mnt = 0;

	for (int left = STACK_PART * sizeof(long); dentry && !mnt && left <= STACK_BYTES; left += STACK_PART * sizeof(long)) {
		bool last = frame >= top - left && frame < top;

		mnt = mount_at(last ? frame : top - left, dentry);
		if (last)
			break;
	}
	return (void *)mnt;
}

/* The distance between the pointer and the path on the stack, by call: whatever the kernel shifts its stack by, both go. */
#define SURE 4
__u32 usual_distance[256] = {}, times_found[256] = {};
_Static_assert(VIA_NONE < 128, "of_call() takes calls for each other");

static __always_inline __u32 *of_call(__u32 *array, __u32 via)
{
	__u32 i = (via & 127) | (via & VIA_COMPAT) >> 1;

	barrier_var(i); /* see record_at() */
	return &array[i & 255];
}

/* The path of `inode`, which the current task's call `via` has just changed, or NULL. `by_fd`: the call was
 * given no name, but `fd`. `frame`: on its stack, where what runs the program
 * keeps its arguments: the program's own may be elsewhere since 6.13. */
static __always_inline struct path *changed_path(struct inode *inode, __u32 via, bool by_fd, int fd, unsigned long frame)
{
	unsigned long top = (unsigned long)task_regs(), changed = (unsigned long)inode, found = 0, path = 0, key = 0;
	__u32 *times = of_call(times_found, via), *distance = of_call(usual_distance, via);

	if (by_fd)
		key = (unsigned long)fd_file(fd) + bpf_core_field_offset(struct file, f_path);
	else if (*times >= SURE)
		key = *distance;
	if (key)
		found = find_pointer(top, frame, changed, key);
	if (!found)
		found = find_pointer(top, frame, changed, by_fd ? ANY_BY_FD : ANY_BY_NAME);
	if (!found || found == AMBIGUOUS)
		return NULL;
	path = word_at((void *)found);
	if (!by_fd && *times < SURE) {
		*times = *distance == path - found ? *times + 1 : 0;
		*distance = path - found;
	}
	return (void *)path;
}

#endif
