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
EV_SCALAR(ev_start, __u64);    /* the same, of a process: when it started; with its id, its identity */
EV_SCALAR(ev_duration, __u64); /* ns; EV_NONE64: not known */
EV_SCALAR(ev_pid, __u32);      /* thread group id, in the initial pid namespace */
EV_SCALAR(ev_uid, __u64);      /* 32 bits, as the initial user namespace sees it; EV_NONE, EV_UNKNOWN */
EV_SCALAR(ev_gid, __u64);
EV_SCALAR(ev_cgroup, __u64); /* cgroup v2 id: the inode of its directory */
EV_SCALAR(ev_audit, __u64);  /* 32 bits, session id of audit; EV_NONE: none */
EV_SCALAR(ev_ns, __u32);     /* namespace: the inode number in /proc/PID/ns */
EV_SCALAR(ev_fd, __s32);     /* negative: none */
EV_SCALAR(ev_errno, __s32);  /* positive errno, 0: success, EV_ERRNO_UNKNOWN */
EV_SCALAR(ev_mode, __u32);   /* permission bits, 07777; EV_NONE: not known */
EV_SCALAR(ev_oflags, __u32); /* open(2) flags */
EV_SCALAR(ev_ftype, __u32);  /* the S_IFMT bits of an inode; EV_NONE: not known */
EV_SCALAR(ev_dev, __u32);    /* the kernel's dev_t: 12 bits major, 20 bits minor */
EV_SCALAR(ev_ino, __u64);    /* 0: not known */
EV_SCALAR(ev_caps, __u64);   /* capability bits; EV_NONE64: not known */
EV_SCALAR(ev_signal, __u32); /* its number; 0: none */
EV_SCALAR(ev_bool, __u32);   /* 0, 1; EV_NONE: not known */
EV_SCALAR(ev_count, __u64);
EV_SCALAR(ev_argc, __u32); /* EV_UNKNOWN: not known */
EV_SCALAR(ev_via, __u32);  /* enum via, or'ed with VIA_COMPAT */
EV_SCALAR(ev_src, __u32);  /* enum src */

/* There is none: printed as "-". The hook cannot know: printed as "?". No value may look like these, so what uses all of its 32
 * bits travels in 64. In BPF C the same word serves both widths; the compiler refuses to compare it with 32 bits, since it is no
 * 32-bit number: (__u32)EV_NONE is. */
#ifdef __cplusplus
#define EV_NONE 0xffffffffu
#define EV_UNKNOWN 0xfffffffeu
#else
#define EV_NONE (-1ll)
#define EV_UNKNOWN (-2ll)
#endif
#define EV_NONE64 0xffffffffffffffffull
#define EV_UNKNOWN64 0xfffffffffffffffeull
#define EV_ERRNO_UNKNOWN 0x7fffffff

/* How the deed reached the kernel. The system calls of syscalls.h, then the rest. */
/* clang-format off */
enum via {
	VIA_UNKNOWN,
#define X(name, ...) VIA_##name,
	NEEDLE_SYSCALLS(X)
#undef X
	VIA_IO_URING,
	VIA_KERNEL,          /* the kernel on its own behalf */
	VIA_NONE,            /* by nothing that explains it */
	VIA_COMPAT = 1 << 8, /* through the 32-bit entry */
};
/* clang-format on */

/* Where the object that a line names comes from. */
enum src {
	SRC_KERNEL = 1, /* the hook was handed it by the kernel */
	SRC_FD,         /* looked up behind a descriptor when the call returned */
	SRC_USER,       /* bytes of the caller's memory, or made from them */
};

struct ev_comm {
	char s[16];
};

/* A file's own time stamp: since 1970, which a file system may take far beyond what ns in 64 bits reach (2262). */
struct ev_wall {
	__s64 sec;
	__u32 nsec;
	__u32 known;
};

/* Bytes [off, off + len) of the record. Not terminated. */
struct ev_str {
	__u16 off;
	__u16 len;
	__u32 mark; /* how many bytes are missing at the end, and EV_STR_* */
};
#define EV_STR_MISSING 0x07ffffffu
#define EV_STR_UNKNOWN EV_STR_MISSING /* of none of its bytes: it is not known whether there is one */
#define EV_STR_DETACHED 0x80000000u   /* a path that no mount namespace shows: of a mount in none, or above a mount's root */
#define EV_STR_DEEP 0x40000000u       /* a path whose beginning is missing */
#define EV_STR_DELETED 0x20000000u    /* a path whose name has been removed */
#define EV_STR_FOREIGN 0x10000000u    /* a path of another mount namespace than the process's */
#define EV_STR_FOUND 0x08000000u      /* of a failed exec: the file itself was found and opened */

/* The same bytes, but NUL-terminated words: an argv. */
struct ev_strv {
	struct ev_str s;
	ev_argc count; /* words there were, also those that are missing */
	__u32 unused;
};

struct ev_tty {
	struct ev_str name; /* as the kernel has it: "pts0" */
};

/* A cgroup v2, and of a v1 hierarchy the cgroup, if it is not its root: 0 without one. */
struct ev_cgroups {
	__u64 unified;
	__u64 v1; /* with the controller's number in the highest byte */
};

/* Both in one word, never 0: that two have the same is as good as impossible. */
static inline __u64 cgroups_key(const struct ev_cgroups *c)
{
	return (c->unified * 0x9e3779b97f4a7c15ull ^ c->v1) * 0x9e3779b97f4a7c15ull | 1;
}
struct ancestor {
	__u64 start; /* with pid, its identity */
	__u32 pid;
	__u32 unused;
	struct ev_comm comm;
};
#define LINEAGE_MAX 16

/* struct ancestor[], the parent first. */
struct ev_lineage {
	struct ev_str s;
};

/* What a record is: event_header.kind. */
enum kind {
	KIND_EVENT,
	KIND_CGROUPS, /* struct cgroups_record: comes before the first event from there */
};

struct event_header {
	ev_time time;   /* of the deed */
	ev_start start; /* when the process started: with pid, its identity */
	ev_cgroup cgroup;
	ev_uid uid;
	ev_uid euid;
	ev_gid gid;
	ev_pid pid;
	ev_pid tid;
	ev_pid ppid;
	ev_ns mnt_ns;
	ev_ns pid_ns;
	ev_via via;
	ev_src src;
	struct ev_comm comm;   /* of the process: its thread group leader */
	struct ev_comm thread; /* of the thread that did it */
	ev_bool kthread;       /* a thread of the kernel, whatever its name says */
	__u16 kind;
	__u16 context; /* where in the record struct context is; 0: nowhere */
	__u16 tool;    /* whose it is, of the tools that one process runs: see state.bpf.h */
	__u16 target;  /* likewise struct target, if its cgroups are known */
};

/* Which file a program is: as long as none of this changes, its content has not. */
struct image {
	ev_ino ino; /* 0: there is none */
	__u64 size;
	struct ev_wall mtime, ctime;
	ev_dev dev;
	__u32 generation;
};

/* Who did it, as far as the columns shown ask for it: see enum want_bits. */
struct context {
	struct ev_cgroups cgroups;
	struct ev_str exe;
	struct ev_str pexe;
	struct ev_str cwd;
	struct ev_tty tty;
	struct ev_lineage lineage;
	struct ev_strv args;    /* their count is not known */
	struct ev_strv preload; /* variables of the environment, as it was at the exec, that the loader heeds */
	struct image image;
	struct ev_comm pcomm;
	ev_uid login_uid;
	ev_audit audit_session;
	ev_pid nspid;       /* in the innermost pid namespace */
	ev_pid session;     /* process id of its leader */
	__u32 strings, len; /* where they begin, how many bytes */
};

/* The names of directories from the root of a hierarchy, which has none, down to a cgroup. */
struct cgroup_names {
	struct ev_str s; /* words that end with a NUL; the mark is how many of the innermost are missing */
	ev_uid owner;    /* of the outermost one that is not root's; 0: all are */
	__u32 owned;     /* the how manieth name that is, from 1: what is below may be named by its owner */
};
struct cgroups_record {
	struct event_header h;
	struct ev_cgroups cgroups;
	struct cgroup_names unified, v1;
};

#endif
