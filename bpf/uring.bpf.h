/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Requests of io_uring, from its tracepoints: a request is submitted when it has been prepared, so
 * it holds what the kernel has copied; and it completes. Their arguments have changed several times,
 * which their prototypes in the kernel's BTF tell: a type of the same name is taken for the same if
 * it has as many parameters, and pointers where we have pointers. */
#ifndef NEEDLE_URING_BPF_H
#define NEEDLE_URING_BPF_H

#include "snoop.bpf.h"

#include <asm-generic/errno.h>

/* 5.13 to 5.17, and stable 5.10 since 5.10.162 (788d0824269b) */
typedef void (*btf_trace_io_uring_submit_sqe___seven)(void *, void *, void *, __u8, __u64, __u32, bool, bool);
typedef void (*btf_trace_io_uring_complete___user_data)(void *, void *, __u64, int, unsigned int);
/* 5.18 to 6.14; newer ones are handed the completion itself */
typedef void (*btf_trace_io_uring_complete___res)(void *, void *, void *, __u64, int, unsigned int, __u64, __u64);

/* Where a completion names its request only by what the caller calls it: which one that is. The caller
 * may give two the same name. */
struct uring_name {
	__u64 ring, user_data;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct uring_name);
	__type(value, __u64);
} uring_named SEC(".maps");

#define URING_BY_NAME bpf_core_type_exists(btf_trace_io_uring_complete___user_data)

static __always_inline struct uring_name uring_name(struct io_kiocb *req)
{
	struct io_kiocb___user_data *old = (void *)req;

	return (struct uring_name){(__u64)BPF_CORE_READ(old, ctx), BPF_CORE_READ(old, user_data)};
}

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

/* Asks for the completion of a request that has been submitted. False: it could not be told from that
 * of another one. */
static __always_inline bool uring_expect(struct io_kiocb *req)
{
	struct uring_name name, of_other;
	__u64 value = (__u64)req, *other;

	if (!URING_BY_NAME)
		return true;
	name = uring_name(req);
	other = bpf_map_lookup_elem(&uring_named, &name);
	if (other && *other != value) {
		of_other = uring_name((void *)*other);
		if (of_other.ring == name.ring && of_other.user_data == name.user_data)
			return false;
	}
	return !bpf_map_update_elem(&uring_named, &name, &value, BPF_ANY);
}

struct uring_end {
	struct io_kiocb *req;
	int res; /* -EV_ERRNO_UNKNOWN: not known */
};

/* Whether a completion, of io_uring_complete, is one of a request that is of interest: of any, where
 * uring_expect() was not needed. */
static __always_inline bool uring_completes(struct uring_end *end, unsigned long long *ctx)
{
	if (URING_BY_NAME) {
		struct uring_name name = {ctx[0], ctx[1]};
		__u64 *known = bpf_map_lookup_elem(&uring_named, &name), flags;
		struct io_kiocb *req;

		if (!known)
			return false;
		req = end->req = (void *)*known;
		end->res = ctx[2];
		/* Or is it of another one of that name? */
		flags = BPF_CORE_READ(req, flags);
		if (end->res == -ECANCELED && !(flags & REQ_F_FAIL))
			end->res = -EV_ERRNO_UNKNOWN;
		else if (!(flags & REQ_F_FAIL) != (end->res >= 0) || (end->res >= 0 && flags & REQ_F_NEED_CLEANUP))
			return false;
		bpf_map_delete_elem(&uring_named, &name);
	} else if (bpf_core_type_exists(btf_trace_io_uring_complete___res)) {
		end->req = (void *)ctx[1];
		end->res = ctx[3];
	} else {
		struct io_uring_cqe *cqe = (void *)ctx[2]; /* loaded directly, as above */

		end->req = (void *)ctx[1];
		end->res = untyped ? BPF_CORE_READ(cqe, res) : cqe->res;
	}
	return true;
}

#endif
