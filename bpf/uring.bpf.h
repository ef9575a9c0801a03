/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Requests of io_uring: the one place that knows how a request begins, ends, is cancelled or lost, for every tool.
 *
 * - It begins at io_uring_submit_req (io_uring_submit_sqe before 6.3), when it has been prepared, and so holds what the kernel has
 *   copied. The tool fills a struct uring_request and gives it to uring_keep(), or sends its line at once if that has no room.
 * - It ends at io_uring_complete; at io_uring_cqe_overflow, which the kernel traces instead where the completion queue is full; or
 *   at io_uring_fail_link, where one before it in a chain has failed. Its result is read from the request or was passed by value:
 *   the completion queue is memory that the process can write.
 * - It is lost if its memory is another request's before any of these has been seen, or if it has long ended. Its result is then
 *   -EV_ERRNO_UNKNOWN.
 *
 * Each that is kept ends once. What can be kept is bounded, also for each process. All is the submitter's: its filter was applied
 * then, and it may be another task that sees the end. A tool defines URING_KEPT, what it keeps, and names its functions to
 * URING_HOOKS().
 *
 * The tracepoints' arguments have changed several times, which their prototypes in the kernel's BTF tell: a type of the same name
 * is taken for the same if it has as many parameters, and pointers where we have pointers. */
#ifndef NEEDLE_URING_BPF_H
#define NEEDLE_URING_BPF_H

#include "snoop.bpf.h"

#include <asm-generic/errno.h>

/* 5.13 to 5.17, and stable 5.10 since 5.10.162 (788d0824269b) */
typedef void (*btf_trace_io_uring_submit_sqe___seven)(void *, void *, void *, __u8, __u64, __u32, bool, bool);
typedef void (*btf_trace_io_uring_complete___user_data)(void *, void *, __u64, int, unsigned int);
/* 5.18 to 6.14; newer ones are handed the completion itself */
typedef void (*btf_trace_io_uring_complete___res)(void *, void *, void *, __u64, int, unsigned int, __u64, __u64);

struct uring_request {
	__u64 ring, user_data; /* what the submitter calls it; it may give two the same name */
	struct event_header h; /* who submitted it */
	__u32 opcode;
	__u32 turn; /* of those with that name */
	URING_KEPT kept;
};

#define URING_MAX 4096   /* requests under way, a power of two */
#define URING_SHARE 1024 /* of them, one process's */

/* By the address of the struct io_kiocb. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, URING_MAX);
	__type(key, __u64);
	__type(value, struct uring_request);
} uring_requests SEC(".maps");

/* How many there are, or more: while there are none, nothing need be looked for. */
__u64 uring_kept = 0;

/* How many of a process there are. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, URING_MAX);
	__type(key, __u32);
	__type(value, __s32);
} uring_shares SEC(".maps");

/* What an overflow, and before 5.18 a completion, names its request by; and where those of a name are: turns, in the order of
 * submission. */
struct uring_name {
	__u64 ring, user_data;
};
struct uring_turns {
	__u32 first, next;
};
struct uring_place {
	struct uring_name name;
	__u64 turn;
};
#define URING_TURNS 1024 /* under way at a time; more cannot be told apart */

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, URING_MAX);
	__type(key, struct uring_name);
	__type(value, struct uring_turns);
} uring_names SEC(".maps");
ROOM_FN(uring_turns_room, uring_names, struct uring_name, struct uring_turns)

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 2 * URING_MAX);
	__type(key, struct uring_place);
	__type(value, __u64);
} uring_places SEC(".maps");

/* Where a hand goes round, a step for each request that a tool asks for, and finds those whose end was not seen. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, URING_MAX);
	__type(key, __u32);
	__type(value, __u64);
} uring_clock SEC(".maps");

__u32 uring_hand = 0;

#define URING_BY_NAME bpf_core_type_exists(btf_trace_io_uring_complete___user_data)

/* ---- What a request holds, in kernel memory. */
static __always_inline __u64 uring_ring(struct io_kiocb *req)
{
	return (__u64)READ(req, ctx);
}

static __always_inline __u64 uring_user_data(struct io_kiocb *req)
{
	if (bpf_core_field_exists(req->cqe.user_data))
		return READ(req, cqe.user_data);
	return BPF_CORE_READ((struct io_kiocb___user_data *)req, user_data);
}

static __always_inline int uring_result(struct io_kiocb *req)
{
	if (bpf_core_field_exists(req->cqe.res))
		return READ(req, cqe.res);
	return BPF_CORE_READ((struct io_kiocb___user_data *)req, result);
}

static __always_inline bool uring_is_open(__u32 opcode)
{
	return opcode == IORING_OP_OPENAT || opcode == IORING_OP_OPENAT2;
}

/* The struct filename of an open that has not been tried yet. */
static __always_inline const char *uring_filename(struct io_kiocb *req)
{
	struct io_open___delayed *delayed = (void *)req;
	struct io_open *open = (void *)req;

	if (bpf_core_field_exists(delayed->filename.__incomplete_filename))
		return BPF_CORE_READ(delayed, filename.__incomplete_filename, name);
	return BPF_CORE_READ(open, filename, name);
}

/* Where an open goes to: 0: a descriptor; URING_ANY_SLOT; or the number of a fixed slot, from 1. */
#define URING_ANY_SLOT 0xffffffffu
static __always_inline __u32 uring_slot(struct io_kiocb *req)
{
	struct io_open *open = (void *)req;

	return bpf_core_field_exists(open->file_slot) ? READ(open, file_slot) : 0;
}

/* The file in a slot of a ring now, or NULL. The pointers there have flags in their lowest bits (FFS_MASK, io_uring/rsrc.h or
 * filetable.h). */
static __always_inline struct file *uring_slot_file(__u64 ring, __u32 slot)
{
	struct io_ring_ctx *ctx = (void *)ring;
	struct io_ring_ctx___files *old = (void *)ring;
	unsigned long word;

	if (bpf_core_field_exists(ctx->file_table.data.nodes)) { /* since 6.13 */
		struct io_rsrc_node *node;

		if (slot >= BPF_CORE_READ(ctx, file_table.data.nr))
			return NULL;
		node = (void *)word_at(&BPF_CORE_READ(ctx, file_table.data.nodes)[slot]);
		word = node ? BPF_CORE_READ(node, file_ptr) : 0;
	} else if (bpf_core_field_exists(old->file_table.files)) {
		struct io_fixed_file *files = BPF_CORE_READ(old, file_table.files);

		if (!files || slot >= BPF_CORE_READ(old, nr_user_files))
			return NULL;
		word = word_at(&files[slot]);
	} else {
		return NULL;
	}
	return (void *)(word & ~7ul);
}

/* Whether a request may be the one that has ended so, by its own memory. */
static __always_inline bool uring_ended_with(struct io_kiocb *req, __u32 opcode, int res)
{
	__u64 flags = READ(req, flags);

	if (res == -ECANCELED && URING_BY_NAME && !(flags & REQ_F_FAIL))
		return true;
	if (!(flags & REQ_F_FAIL) != (res >= 0) || (res >= 0 && uring_is_open(opcode) && flags & REQ_F_NEED_CLEANUP))
		return false;
	return URING_BY_NAME || uring_result(req) == res;
}

/* ---- Those that are kept. */

/* Whether the memory at `key` is still that request's, as far as it tells, and the request under way. */
static __always_inline bool uring_under_way(const struct uring_request *u, __u64 key)
{
	struct io_kiocb *req = (void *)key;

	if (uring_ring(req) != u->ring || uring_user_data(req) != u->user_data || (__u32)READ(req, opcode) != u->opcode)
		return false;
	return !uring_is_open(u->opcode) || (READ(req, flags) & (REQ_F_NEED_CLEANUP | REQ_F_FAIL)) == REQ_F_NEED_CLEANUP;
}

/* Fills whose it is. `u`: in a record, which has whatever was there before. */
static __always_inline void uring_begin(struct uring_request *u, struct io_kiocb *req)
{
	__builtin_memset(&u->h, 0, sizeof(u->h));
	fill_header(&u->h);
	if (filter.want & WANT_WHO && READ(req, flags) & REQ_F_CREDS) /* by a personality */
		u->h.euid = READ(req, creds, euid.val);
	u->h.via = VIA_IO_URING;
	u->ring = uring_ring(req);
	u->user_data = uring_user_data(req);
	u->opcode = READ(req, opcode);
}

/* Gives it a place among those of its name. */
static __always_inline bool uring_place(struct uring_request *u, __u64 key)
{
	struct uring_place place = {{u->ring, u->user_data}, 0};
	struct uring_turns *turns = uring_turns_room(place.name);

	if (!turns || turns->next - turns->first >= URING_TURNS)
		return false;
	place.turn = u->turn = turns->next++;
	return !bpf_map_update_elem(&uring_places, &place, &key, BPF_ANY);
}

/* Keeps it until it ends. False: there is no room, for this process or at all; or its end could not be told from another's. */
static __always_inline bool uring_keep(struct uring_request *u, struct io_kiocb *req)
{
	__s32 *share = bpf_map_lookup_elem(&uring_shares, &u->h.pid), one = 1;
	__u32 hand = uring_hand & (URING_MAX - 1);
	__u64 key = (__u64)req, *slot;

	if (share && *share >= URING_SHARE)
		return false;
	if (!uring_place(u, key) && URING_BY_NAME)
		return false;
	__sync_fetch_and_add(&uring_kept, 1);
	if (bpf_map_update_elem(&uring_requests, &key, u, BPF_NOEXIST)) {
		__sync_fetch_and_add(&uring_kept, -1);
		return false;
	}
	if (share)
		__sync_fetch_and_add(share, 1);
	else
		bpf_map_update_elem(&uring_shares, &u->h.pid, &one, BPF_ANY);
	slot = bpf_map_lookup_elem(&uring_clock, &hand);
	if (slot && !*slot)
		*slot = key;
	return true;
}

/* The header of its line, which is as old as the request but for the time. */
static __always_inline const struct event_header *uring_header(struct uring_request *u)
{
	if (filter.want & WANT_TIME)
		u->h.time = bpf_ktime_get_boot_ns();
	return &u->h;
}

static __always_inline void uring_forget(const struct uring_request *u, __u64 key)
{
	struct uring_place place = {{u->ring, u->user_data}, u->turn};
	struct uring_turns *turns = bpf_map_lookup_elem(&uring_names, &place.name);
	__s32 *share = bpf_map_lookup_elem(&uring_shares, &u->h.pid);

	if (bpf_map_delete_elem(&uring_requests, &key))
		return;
	__sync_fetch_and_add(&uring_kept, -1);
	if (share && *share > 0)
		__sync_fetch_and_add(share, -1);
	bpf_map_delete_elem(&uring_places, &place);
	for (int i = 0; turns && i < 8 && turns->first != turns->next; i++) { /* more than one: they may end in any order */
		place.turn = turns->first;
		if (bpf_map_lookup_elem(&uring_places, &place))
			break;
		turns->first++;
	}
}

static __always_inline struct uring_request *uring_kept_at(__u64 key)
{
	return uring_kept ? bpf_map_lookup_elem(&uring_requests, &key) : NULL;
}

/* The request that is kept and that the current task works on as a worker of io-wq; NULL: none. All opens that may make a file are
 * left to these, whoever submits them: io_openat_force_async() in io_uring/openclose.c; before 6.3 (0ffae640ad83) the first try
 * ended with -EAGAIN. So tier tp needs no hook where a request is issued to know which one has made a file. */
static __always_inline struct uring_request *uring_worked_on(void)
{
	struct task_struct *task = current_task();
	struct task_struct___pf_io_worker *old = (void *)task;
	struct io_worker *worker;
	struct io_wq_work *work;

	if (!uring_kept || !(READ(task, flags) & PF_IO_WORKER))
		return NULL;
	worker = bpf_core_field_exists(old->pf_io_worker) ? READ(old, pf_io_worker) : READ(task, worker_private);
	work = worker ? READ(worker, cur_work) : NULL;
	return work ? uring_kept_at((__u64)work - bpf_core_field_offset(struct io_kiocb, work)) : NULL;
}

/* The request with that name and turn, if it may have ended so; 0: not. Global, as the next, so that it is verified once: see
 * path_steps(). */
__noinline unsigned long uring_at_turn(__u64 ring, __u64 user_data, __u32 turn, int res)
{
	struct uring_place place = {{ring, user_data}, turn};
	__u64 *key = bpf_map_lookup_elem(&uring_places, &place);
	struct uring_request *u = key ? bpf_map_lookup_elem(&uring_requests, key) : NULL;

	if (!u || u->ring != ring || u->user_data != user_data)
		return 0;
	if (uring_ring((void *)*key) != ring || uring_user_data((void *)*key) != user_data)
		return 0;
	return uring_ended_with((void *)*key, u->opcode, res) ? *key : 0;
}

/* Of those from a turn on the first; 0: none of URING_LOOKS. */
#define URING_LOOKS 32
__noinline unsigned long uring_some_named(__u64 ring, __u64 user_data, __u32 turn, __u32 next, int res)
{
	unsigned long found = 0;

	for (__u32 i = 0; i < URING_LOOKS && !found && (__s32)(next - turn) > 0; i++, turn++)
		found = uring_at_turn(ring, user_data, turn, res);
	return found;
}

/* Of all of them. Two that have ended with the same result may be taken for each other: both will be told with that result. */
static __always_inline __u64 uring_named(__u64 ring, __u64 user_data, int res)
{
	struct uring_name name = {ring, user_data};
	struct uring_turns *turns = uring_kept ? bpf_map_lookup_elem(&uring_names, &name) : NULL;
	__u64 found = 0;

	for (__u32 i = 0; turns && !found && i < URING_TURNS; i += URING_LOOKS) {
		if ((__s32)(turns->next - turns->first - i) <= 0)
			break;
		found = uring_some_named(ring, user_data, turns->first + i, turns->next, res);
	}
	return found;
}

/* ---- The tracepoints. */

/* The request that io_uring_submit_req, since 6.3, or io_uring_submit_sqe is handed. */
static __always_inline struct io_kiocb *uring_submitted(unsigned long long *ctx)
{
	struct io_kiocb *req = (void *)ctx[0];

	if (bpf_core_type_exists(btf_trace_io_uring_submit_sqe___seven))
		return (void *)ctx[1];
	/* A direct load: where the first argument is no request, the verifier refuses it. */
	if (!untyped)
		(void)*(volatile __u8 *)&req->opcode;
	return req;
}

/* The request that a completion, of io_uring_complete, is of, and its result; 0: of none that is kept. */
static __always_inline __u64 uring_completed(unsigned long long *ctx, int *res)
{
	if (!uring_kept)
		return 0;
	if (URING_BY_NAME) {
		struct io_kiocb *req;
		__u64 key;

		*res = ctx[2];
		key = uring_named(ctx[0], ctx[1], *res);
		req = (void *)key;
		/* Or is it of another one of that name? */
		if (key && *res == -ECANCELED && !(READ(req, flags) & REQ_F_FAIL))
			*res = -EV_ERRNO_UNKNOWN;
		return key;
	}
	if (bpf_core_type_exists(btf_trace_io_uring_complete___res))
		*res = ctx[3];
	else if (ctx[1]) /* not ctx[2], the completion in the queue */
		*res = uring_result((void *)ctx[1]);
	return ctx[1];
}

/* What the hand finds at its next step: one that has ended, unseen; or 0. */
static __always_inline __u64 uring_stale(void)
{
	__u32 hand = ++uring_hand & (URING_MAX - 1);
	__u64 *slot = bpf_map_lookup_elem(&uring_clock, &hand), key;
	struct uring_request *u;

	if (!slot || !*slot)
		return 0;
	key = *slot;
	u = bpf_map_lookup_elem(&uring_requests, &key);
	if (u && uring_under_way(u, key))
		return 0;
	*slot = 0;
	return u ? key : 0;
}

/* URING_HOOKS(WHAT__MECHANISM, wants, submits, ends): the programs, with
 *   bool wants(__u32 opcode)
 *   int submits(struct io_kiocb *req)   one that is wanted begins
 *   void ends(struct uring_request *u, __u64 key, int res, bool lost)
 *                                       one that was kept ends; lost: unseen, so its memory may be another's by now */
#define URING_HOOKS(group, wants, submits, ends)                                                                        \
	__noinline int group##_ends(__u64 key, int res, int lost)                                                       \
	{                                                                                                               \
		struct uring_request *u = uring_kept_at(key);                                                           \
                                                                                                                        \
		if (!u)                                                                                                 \
			return 0;                                                                                       \
		ends(u, key, res, lost);                                                                                \
		uring_forget(u, key);                                                                                   \
		return 0;                                                                                               \
	}                                                                                                               \
	/* Global for its stack, which group##_ends() does not need as well. */                                         \
	__noinline int group##_submits(__u64 req)                                                                       \
	{                                                                                                               \
		return submits((struct io_kiocb *)req);                                                                 \
	}                                                                                                               \
	static __always_inline int group##_begins(struct io_kiocb *req)                                                 \
	{                                                                                                               \
		__u64 stale;                                                                                            \
                                                                                                                        \
		if (uring_kept) /* one that was at the same address */                                                  \
			group##_ends(number(req), -EV_ERRNO_UNKNOWN, 1);                                                \
		if (!wants(READ(req, opcode)))                                                                          \
			return 0;                                                                                       \
		stale = uring_stale();                                                                                  \
		if (stale)                                                                                              \
			group##_ends(stale, -EV_ERRNO_UNKNOWN, 1);                                                      \
		return group##_submits(number(req));                                                                    \
	}                                                                                                               \
	SEC("?tp_btf/io_uring_submit_req")                                                                              \
	int group##_opt_uring_alt_1_req(unsigned long long *ctx)                                                        \
	{                                                                                                               \
		return group##_begins(uring_submitted(ctx));                                                            \
	}                                                                                                               \
	SEC("?tp_btf/io_uring_submit_sqe") /* before 6.3 */                                                             \
	int group##_opt_uring_alt_2_sqe(unsigned long long *ctx)                                                        \
	{                                                                                                               \
		return group##_begins(uring_submitted(ctx));                                                            \
	}                                                                                                               \
	SEC("?tp_btf/io_uring_complete")                                                                                \
	int group##_opt_uring_complete(unsigned long long *ctx)                                                         \
	{                                                                                                               \
		int res = 0;                                                                                            \
		__u64 key = uring_completed(ctx, &res);                                                                 \
                                                                                                                        \
		return key ? group##_ends(key, res, 0) : 0;                                                             \
	}                                                                                                               \
	SEC("?tp_btf/io_uring_cqe_overflow") /* since 5.18; before, completions are traced all the same */              \
	int group##_opt_overflow(unsigned long long *ctx)                                                               \
	{                                                                                                               \
		__u64 key = URING_BY_NAME ? 0 : uring_named(ctx[0], ctx[1], ctx[2]);                                    \
                                                                                                                        \
		return key ? group##_ends(key, ctx[2], 0) : 0;                                                          \
	}                                                                                                               \
	SEC("?tp_btf/io_uring_fail_link")                                                                               \
	int group##_opt_cancel(unsigned long long *ctx)                                                                 \
	{                                                                                                               \
		struct io_kiocb *link = (void *)ctx[1];                                                                 \
                                                                                                                        \
		if (!uring_kept)                                                                                        \
			return 0;                                                                                       \
		return group##_ends(number(link), READ(link, flags) & REQ_F_FAIL ? uring_result(link) : -ECANCELED, 0); \
	}

/* ---- Kernel tier: which request the current thread works on, in whatever system call or worker it is. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, __u64);
} uring_issued SEC(".maps");

/* Set by the first that is seen. */
bool uring_issues_seen = false;

static __always_inline int uring_issue_begins(struct io_kiocb *req)
{
	__u32 tid = current_pid_tgid();
	__u64 key = (__u64)req;

	uring_issues_seen = true;
	if (bpf_map_update_elem(&uring_issued, &tid, &key, BPF_ANY)) /* what it does will be taken for a call's */
		__sync_fetch_and_add(&stats.lost_map, 1);
	return 0;
}

static __always_inline int uring_issue_ends(void)
{
	__u32 tid = current_pid_tgid();

	bpf_map_delete_elem(&uring_issued, &tid);
	return 0;
}

/* 0: none, or URING_ISSUES() hooks are not to be had. */
static __always_inline __u64 uring_issuing(void)
{
	__u32 tid = current_pid_tgid();
	__u64 *key = uring_issues_seen ? bpf_map_lookup_elem(&uring_issued, &tid) : NULL;

	return key ? *key : 0;
}

/* Whether the current task works on a request: as URING_ISSUES() hooks know, or by WORKS_FOR_IO_URING(). */
#define URING_WORKS(IN) (uring_issues_seen ? !!uring_issuing() : WORKS_FOR_IO_URING(IN, task_regs()))

/* Programs that tell uring_issuing() about one of the kernel's functions that issue a request. */
#define URING_ISSUES(program, function)                     \
	SEC("?fentry/" function)                            \
	int BPF_PROG(program##_begin, struct io_kiocb *req) \
	{                                                   \
		return uring_issue_begins(req);             \
	}                                                   \
	SEC("?fexit/" function)                             \
	int BPF_PROG(program##_end)                         \
	{                                                   \
		return uring_issue_ends();                  \
	}

#endif
