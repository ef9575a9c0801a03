/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What travels in the ring buffer. Shared by BPF C and C++: fixed-width types only. */
#ifndef NEEDLE_EVENT_H
#define NEEDLE_EVENT_H

#include <linux/types.h>

#include "syscalls.h"

/* A scalar with a meaning: a plain integer in BPF C, a distinct type of the same
 * bytes in C++, so that a column knows how to print it. */
#ifdef __cplusplus
#define EV_SCALAR(name, repr) enum class name : repr {}
#else
#define EV_SCALAR(name, repr) typedef repr name
#endif

EV_SCALAR(ev_time, __u64);     /* ns, CLOCK_BOOTTIME */
EV_SCALAR(ev_wall, __s64);     /* ns since 1970: a file's own time stamp */
EV_SCALAR(ev_duration, __u64); /* ns; EV_NONE64: not known */
EV_SCALAR(ev_pid, __u32);      /* thread group id, in the initial pid namespace */
EV_SCALAR(ev_uid, __u32);      /* as the initial user namespace sees it; EV_NONE: not known */
EV_SCALAR(ev_gid, __u32);
EV_SCALAR(ev_cgroup, __u64);   /* cgroup v2 id: the inode of its directory */
EV_SCALAR(ev_ns, __u32);       /* namespace: the inode number in /proc/PID/ns */
EV_SCALAR(ev_fd, __s32);       /* negative: none */
EV_SCALAR(ev_errno, __s32);    /* positive errno, 0: success, EV_ERRNO_UNKNOWN */
EV_SCALAR(ev_mode, __u32);     /* permission bits, 07777; EV_NONE: not known */
EV_SCALAR(ev_oflags, __u32);   /* open(2) flags */
EV_SCALAR(ev_ftype, __u32);    /* the S_IFMT bits of an inode; 0: not known */
EV_SCALAR(ev_dev, __u32);      /* the kernel's dev_t: 12 bits major, 20 bits minor */
EV_SCALAR(ev_ino, __u64);      /* 0: not known */
EV_SCALAR(ev_caps, __u64);     /* capability bits; EV_NONE64: not known */
EV_SCALAR(ev_bool, __u32);     /* 0, 1; EV_NONE: not known */
EV_SCALAR(ev_count, __u64);
EV_SCALAR(ev_argc, __u32);     /* EV_UNKNOWN: not known */
EV_SCALAR(ev_port, __u32);     /* host byte order; EV_NONE: there is none */
EV_SCALAR(ev_family, __u32);   /* AF_*; EV_NONE: not known */
EV_SCALAR(ev_proto, __u32);    /* enum proto in connectsnoop.h */
EV_SCALAR(ev_via, __u32);      /* enum via, or'ed with VIA_COMPAT */
EV_SCALAR(ev_src, __u32);      /* enum src */

#define EV_NONE 0xffffffffu    /* there is none: printed as "-" */
#define EV_UNKNOWN 0xfffffffeu /* the hook cannot know: printed as "?" */
#define EV_NONE64 0xffffffffffffffffull
#define EV_ERRNO_UNKNOWN 0x7fffffff

/* How the deed reached the kernel. The system calls of syscalls.h, then the rest. */
enum via {
	VIA_UNKNOWN,
#define X(name, ...) VIA_##name,
	NEEDLE_SYSCALLS(X)
#undef X
	VIA_IO_URING,
	VIA_KERNEL,          /* the kernel on its own behalf */
	VIA_COMPAT = 1 << 8, /* through the 32-bit entry */
};

/* Where the object that a line names comes from. */
enum src {
	SRC_KERNEL = 1, /* the hook was handed it by the kernel */
	SRC_FD,         /* looked up behind a descriptor when the call returned */
	SRC_USER,       /* bytes of the caller's memory, or made from them */
};

struct ev_comm {
	char s[16];
};

/* Bytes [off, off + len) of the record. Not terminated. */
struct ev_str {
	__u16 off;
	__u16 len;
	__u32 mark; /* how many bytes are missing at the end, and EV_STR_* */
};
#define EV_STR_MISSING 0x3fffffffu
#define EV_STR_DETACHED 0x80000000u /* a path whose mount is in no mount namespace */
#define EV_STR_DEEP 0x40000000u     /* a path with its beginning cut off */

/* The same bytes, but NUL-terminated words: an argv. */
struct ev_strv {
	struct ev_str s;
	ev_argc count; /* words there were, also those that are missing */
	__u32 unused;
};

struct event_header {
	ev_time time;      /* of the deed */
	ev_time start;     /* when the process started: with pid, its identity */
	ev_cgroup cgroup;
	ev_pid pid;
	ev_pid tid;
	ev_pid ppid;
	ev_uid uid;
	ev_uid euid;
	ev_gid gid;
	ev_ns mnt_ns;
	ev_ns pid_ns;
	ev_via via;
	ev_src src;
	struct ev_comm comm;   /* of the process: its thread group leader */
	struct ev_comm thread; /* of the thread that did it */
	ev_bool kthread;       /* a thread of the kernel, whatever its name says */
	__u32 unused;
};

enum reader_waits {
	READER_AWAKE,
	READER_SLEEPS, /* wake it for anything */
	READER_RESTS,  /* it will look by itself in a few ms: wake it when much has gathered */
};

/* In .bss, mapped by user space while the tool runs. */
struct event_stats {
	__u64 lost_full;  /* the ring buffer had no room */
	__u64 lost_busy;  /* every scratch record of the CPU was taken */
	__u64 lost_map;   /* a map between two hooks had no room */
	__u32 reader_waits; /* enum reader_waits: set by the reader before it sleeps; who clears it wakes it */
	__u32 self;       /* the tool's own process, in the initial pid namespace */
};

#endif
