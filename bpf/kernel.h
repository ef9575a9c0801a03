/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Every kernel type and field the suite touches. CO-RE relocates them by name when the
 * object is loaded; a ___flavour is an older or newer shape of the same type. */
#ifndef NEEDLE_KERNEL_H
#define NEEDLE_KERNEL_H

#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

#ifndef NULL
#define NULL ((void *)0)
#endif

/* include/linux/err.h */
#define MAX_ERRNO 4095
#define ESTALE 116
#define ERESTARTSYS 512 /* to ERESTART_RESTARTBLOCK: a program never sees them; see interrupted.bpf.h */
#define ERESTARTNOINTR 513
#define ERESTART_RESTARTBLOCK 516
#define IS_ERR_OR_NULL(p) (!(p) || (unsigned long)(p) >= (unsigned long)-MAX_ERRNO)

/* include/linux/proc_ns.h: anonymous namespaces, of mounts that are attached nowhere, have a number
 * below, or none. */
#define MNT_NS_INIT_INO 0xeffffff8u

/* include/uapi/asm-generic/signal.h, signal-defs.h */
#define SIG_DFL 0
#define SIG_IGN 1
#define SIGKILL 9
#define SIGCHLD 17
#define SIGCONT 18
#define SIGSTOP 19
#define SIGTTOU 22
#define SIGURG 23
#define SIGWINCH 28
#define SA_RESTART 0x10000000
#define SI_USER 0
#define SI_KERNEL 0x80
#define SI_TIMER -2
#define SI_ASYNCIO -4

/* include/uapi/linux/stat.h, fcntl.h, magic.h */
#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define S_IFLNK 0120000
#define S_IFREG 0100000
#define S_IFCHR 0020000
#define S_IFDIR 0040000
#define S_ISUID 04000
#define S_ISGID 02000
#define O_ACCMODE 03
#define O_WRONLY 01
#define O_CREAT 0100
#define O_EXCL 0200
#define O_TRUNC 01000
#define O_APPEND 02000
#define O_NOCTTY 0400
#define O_PATH 010000000
#define O_CLOEXEC 02000000
#define RESOLVE_IN_ROOT 0x10
#define RESOLVE_CACHED 0x20
#define O_NONBLOCK 04000
#define O_TMPFILE 020000000 /* without O_DIRECTORY, which is part of it for a program */
#if defined(__TARGET_ARCH_x86)
#define O_LARGEFILE 0100000
#else
#define O_LARGEFILE 0400000
#endif
#define AT_FDCWD -100
#define AT_EMPTY_PATH 0x1000
#define OVERLAYFS_SUPER_MAGIC 0x794c7630
#define TMPFS_MAGIC 0x01021994
#define RAMFS_MAGIC 0x858458f6
#define HUGETLBFS_MAGIC 0x958458f6
#define PIPEFS_MAGIC 0x50495045
#define SOCKFS_MAGIC 0x534f434b
#define NSFS_MAGIC 0x6e736673
#define ANON_INODE_FS_MAGIC 0x09041934
#define PID_FS_MAGIC 0x50494446
#define PROC_SUPER_MAGIC 0x9fa0
#define DMA_BUF_MAGIC 0x444d4142

/* include/linux/fs.h, sched.h, sched/signal.h, arch/x86/include/asm/thread_info.h, arch/arm64/include/asm/thread_info.h */
#define I_NEW 1 /* since 6.12 */
#define I_CREATING 0x8000
#define SIGNAL_GROUP_EXIT 0x4
#define SECCOMP_MODE_FILTER 2
#define PFA_NO_NEW_PRIVS 0 /* a bit of atomic_flags */
#define CLONE_NEWUSER 0x10000000
#define FMODE_EXEC 0x20 /* also of f_flags: __FMODE_EXEC */
#define FMODE_CREATED 0x100000
#define PF_USER_WORKER 0x00004000 /* since 6.4 (54e6842d0775) */
#define PF_KTHREAD 0x00200000
#define PF_IO_WORKER 0x00000010
#define THREAD_SIZE 16384
#define USER_DS 0x2b /* of x86 */
#define TS_COMPAT 0x0002
#define TIF_32BIT 22

/* include/uapi/linux/sched.h */
#define CSIGNAL 0xff
#define CLONE_VM 0x100
#define CLONE_VFORK 0x4000
#define CLONE_THREAD 0x10000

/* include/linux/socket.h, net.h, include/uapi/linux/in.h, include/net/tcp_states.h */
#define AF_UNSPEC 0
#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define AF_NETLINK 16
#define AF_PACKET 17
#define AF_VSOCK 40
#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define SOCK_RAW 3
#define IPPROTO_ICMP 1
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define IPPROTO_DCCP 33
#define IPPROTO_ICMPV6 58
#define IPPROTO_SCTP 132
#define IPPROTO_UDPLITE 136
#define IPPROTO_MPTCP 262
#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT 2
#define TCP_SYN_RECV 3
#define TCP_CLOSE 7

/* include/uapi/linux/io_uring.h, include/linux/io_uring_types.h */
#define IORING_OP_CONNECT 16
#define IORING_OP_OPENAT 18
#define IORING_OP_OPENAT2 28
#define REQ_F_FIXED_FILE (1 << 0)
#define REQ_F_CQE_SKIP (1 << 6) /* IOSQE_CQE_SKIP_SUCCESS: a success is not traced */
#define REQ_F_FAIL (1 << 8)
#define REQ_F_NEED_CLEANUP (1 << 13) /* of an open: its name is still there */
#define REQ_F_CREDS (1 << (bpf_core_field_exists(struct io_ring_ctx, hybrid_poll_time) ? 19 : 18)) /* 01ee194d1aba, 6.13 */

/* include/linux/pid.h, include/uapi/linux/capability.h */
#define PIDTYPE_PID 0
#define PIDTYPE_PGID 2
#define PIDTYPE_SID 3

/* arch/x86/include/asm/syscall_wrapper.h, arch/arm64/include/asm/syscall_wrapper.h: the function by which a system call
 * enters, and a 32-bit one whose arguments lie otherwise in memory. Other 32-bit ones are x86's ENTRY_32, arm64's ENTRY. */
#if defined(__TARGET_ARCH_x86)
#define ENTRY(name) "__x64_sys_" #name
#define ENTRY_32(name) "__ia32_sys_" #name
#define ENTRY_COMPAT(name) "__ia32_compat_sys_" #name
#else
#define ENTRY(name) "__arm64_sys_" #name
#define ENTRY_COMPAT(name) "__arm64_compat_sys_" #name
#endif

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long r10, r9, r8, bp, bx, dx, cx, si, di, orig_ax, ax;
	__u64 ssx; /* since 6.9 */
};
#define REGS_NR orig_ax /* the system call's number */
struct thread_info {
	__u32 status;
};
#elif defined(__TARGET_ARCH_arm64)
struct pt_regs {
	__u64 regs[31];
	__u64 pc;
	__u64 orig_x0;
	__s32 syscallno;
};
#define REGS_NR syscallno
struct thread_info {
	unsigned long flags;
};
#endif

struct hlist_node {
	struct hlist_node *next;
	void *pprev;
};
struct hlist_head {
	struct hlist_node *first;
};
struct xa_node {
	unsigned char shift;
	void *slots[1];
};
struct xarray { /* struct radix_tree_root is the same */
	void *xa_head;
};
struct idr {
	struct xarray idr_rt;
};
struct proc_ns_operations {
	const char *name;
};
struct ns_common {
	const struct proc_ns_operations *ops;
	unsigned int inum;
};
struct mnt_namespace {
	struct ns_common ns;
};
struct pid_namespace {
	struct ns_common ns;
	struct idr idr; /* by number: its struct pids */
	unsigned int level;
};
struct net {
	struct ns_common ns;
};
struct nsproxy {
	struct mnt_namespace *mnt_ns;
	struct net *net_ns;
};
struct upid {
	int nr;
	struct pid_namespace *ns;
};
struct pid {
	unsigned int level;
	struct hlist_head tasks[4]; /* by PIDTYPE_*: their pid_links */
	struct upid numbers[1];
};
typedef struct {
	__u32 val;
} kuid_t;
typedef struct {
	__u32 val;
} kgid_t;
typedef struct {
	__u64 val;
} kernel_cap_t;
struct kernel_cap_struct { /* before 6.3: two 32-bit words; the same bytes on little endian */
	__u32 cap[2];
};
struct user_namespace {
	struct ns_common ns;
	int level;
};
struct group_info {
	int ngroups;
	kgid_t gid[0];
};
struct cred {
	kuid_t uid, euid; /* the first of 8 ids and the secure bits: uid, gid, suid, sgid, euid, egid, fsuid, fsgid */
	kgid_t gid, egid;
	kernel_cap_t cap_inheritable; /* the first of 5 */
	kernel_cap_t cap_effective;
	struct user_namespace *user_ns;
	struct group_info *group_info;
};
struct qstr {
	__u32 len;
	const unsigned char *name;
};
struct super_block;
struct timespec64 {
	__s64 tv_sec;
	long tv_nsec;
};
struct address_space {
	struct inode *host;
};
struct inode {
	unsigned short i_mode;
	kuid_t i_uid;
	kgid_t i_gid;
	unsigned long i_ino;
	unsigned int i_nlink;
	unsigned int i_rdev;
	__u32 i_generation;
	__u32 i_state;
	struct hlist_head i_dentry;
	struct super_block *i_sb;
	struct address_space *i_mapping;
	__s64 i_size;
	void *i_private;
};
enum inode_state_flags_t { /* of 6.18 */
			   I_STATE_OF_ANY_KIND,
};
struct inode___enum {
	enum inode_state_flags_t i_state;
};
struct inode_state_flags { /* since 6.19 */
	__u32 __state;
};
struct inode___state {
	struct inode_state_flags i_state; /* 32 bits, of one kind or another */
};
struct trace_event_raw_ctime_ns_xchg { /* since 6.13 (4e40eff0b573) */
	__u32 gen;
};
struct inode___times { /* before 6.6 (13bc24457850); i_mtime until 6.7 (12cd44023651) */
	struct timespec64 i_ctime, i_mtime;
};
struct inode___times2 { /* then until 6.11 (3aa63a569c64) */
	struct timespec64 __i_ctime, __i_mtime;
};
struct inode___times3 {
	__s64 i_ctime_sec, i_mtime_sec;
	__u32 i_ctime_nsec, i_mtime_nsec;
};
struct hlist_bl_node {
	struct hlist_bl_node **pprev;
};
struct dentry {
	unsigned int d_flags;
	struct hlist_bl_node d_hash;
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
	struct super_block *d_sb;
	union {
		struct hlist_node d_alias;
	} d_u;
};
struct dentry___plain { /* newer ones, such as 7.3 */
	struct hlist_node d_alias;
};
struct file_system_type {
	const char *name;
};
struct super_block {
	unsigned int s_dev;
	unsigned long s_magic;
	struct file_system_type *s_type;
	struct dentry *s_root;
};
struct vfsmount {
	struct dentry *mnt_root;
	struct super_block *mnt_sb;
};
struct vfsmount___userns { /* 5.12 to 6.1 */
	void *mnt_userns;
};
struct vfsmount___idmap {
	void *mnt_idmap;
};
struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
	struct mnt_namespace *mnt_ns;
};
struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};
struct file {
	struct path f_path;
	struct inode *f_inode;
	unsigned int f_flags;
	unsigned int f_mode;
	__s64 f_pos;
	void *private_data;
};
struct callback_head {
	struct callback_head *next;
	void *func;
};
/* Where a file that is to be closed hangs in the list of its task's work, see fput(): since 6.6 or so, */
struct file___task_work {
	struct callback_head f_task_work;
};
struct file___rcuhead { /* since 6.0 or so, */
	struct callback_head f_rcuhead;
};
struct file___u { /* and before */
	struct {
		struct callback_head fu_rcuhead;
	} f_u;
};
struct proc_inode { /* of all in /proc/PID */
	struct pid *pid;
	struct inode vfs_inode;
};
struct sigaction {
	void *sa_handler;
	unsigned long sa_flags;
};
struct k_sigaction {
	struct sigaction sa;
};
struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};
typedef struct {
	int counter;
} atomic_t;
struct files_struct {
	atomic_t count;
	struct fdtable *fdt;
	unsigned int next_fd;
};
struct fs_struct {
	int users;
	struct path root, pwd;
	int umask;
};
struct filename {
	const char *name;
	const char *uptr;
};
struct open_how {
	__u64 flags, mode, resolve;
};
struct io_cqe {
	__u64 user_data;
	__s32 res;
	int fd; /* before the file is looked up */
};
struct io_wq_work {
	__u32 flags;
};
struct io_worker {
	struct io_wq_work *cur_work;
};
struct io_kiocb {
	struct file *file;
	__u8 opcode;
	__u64 flags;
	struct io_cqe cqe;
	void *ctx;
	void *async_data;
	const struct cred *creds;
	struct io_wq_work work;
};
struct io_kiocb___user_data { /* before 5.19; then in io_kiocb.cqe */
	__u64 user_data;
	__u32 result;
};
struct io_fixed_file {
	unsigned long file_ptr;
};
struct io_rsrc_node {
	unsigned long file_ptr;
};
struct io_rsrc_data {
	unsigned int nr;
	struct io_rsrc_node **nodes;
};
struct io_file_table {
	struct io_rsrc_data data;
};
struct io_ring_ctx {
	struct io_file_table file_table;
	__u64 hybrid_poll_time;
};
struct io_file_table___files { /* before 6.13 */
	struct io_fixed_file *files;
};
struct io_ring_ctx___files {
	struct io_file_table___files file_table;
	unsigned int nr_user_files;
};
/* What an io_kiocb begins with, by opcode: struct io_open, struct io_connect. */
struct io_open {
	int dfd;
	__u32 file_slot; /* since 5.15 (b9445598d8c6) */
	struct filename *filename;
	struct open_how how;
};
struct delayed_filename { /* since 7.0 (TODO) */
	struct filename *__incomplete_filename;
};
struct io_open___delayed {
	struct delayed_filename filename;
};
struct io_uring_cqe {
	__s32 res;
};
struct open_flags {
	int open_flag;
	unsigned short mode;
};
struct mm_struct {
	unsigned long arg_start, arg_end, env_start, env_end;
	struct file *exe_file;
};
struct tty_struct {
	char name[64];
};
struct list_head {
	struct list_head *next;
};
struct task_io_accounting { /* CONFIG_TASK_XACCT */
	__u64 rchar, wchar;
};
struct signal_struct { /* times and numbers: of threads that are gone */
	atomic_t live;
	int nr_threads;
	struct list_head thread_head;
	int group_exit_code;
	unsigned int flags;
	struct pid *pids[4];
	struct tty_struct *tty;
	__u64 utime, stime; /* ns */
	unsigned long long sum_sched_runtime;
	unsigned long maxrss; /* pages, of the whole process */
	struct task_io_accounting ioac;
	struct mm_struct *oom_mm;
};
struct sched_entity {
	__u64 sum_exec_runtime;
};
struct kernel_siginfo {
	int si_code;
};
struct kernfs_iattrs {
	kuid_t ia_uid;
};
struct kernfs_node {
	struct kernfs_node *__parent;
	const char *name;
	__u64 id;
	struct kernfs_iattrs *iattr; /* NULL: it is root's */
};
struct kernfs_node___parent { /* before 6.15 (633488947ef6) */
	struct kernfs_node *parent;
};
struct cgroup_root;
enum cgroup_bpf_attach_type { /* since 5.15 (6fc88c354f3a) */
			      CGROUP_INET4_CONNECT,
			      CGROUP_INET6_CONNECT,
			      CGROUP_UDP4_SENDMSG,
			      CGROUP_UDP6_SENDMSG,
};
struct cgroup_bpf {
	struct bpf_prog_array *effective[1];
};
struct cgroup {
	struct cgroup_bpf bpf;
	int level;
	struct kernfs_node *kn;
	struct cgroup_root *root;
	struct cgroup *ancestors[1]; /* by their level, since 6.1 (7f203bc89eb6) */
};
struct cgroup_subsys_state {
	struct cgroup *cgroup;
};
enum cgroup_subsys_id { /* each there if the kernel has the controller */
			pids_cgrp_id,
			devices_cgrp_id,
			memory_cgrp_id,
			cpu_cgrp_id,
			freezer_cgrp_id,
};
struct css_set {
	struct cgroup_subsys_state *subsys[1];
	struct cgroup *dfl_cgrp;
};
struct seccomp_filter {
	struct seccomp_filter *prev;
	void *notif;
};
struct seccomp {
	int mode;
	struct seccomp_filter *filter;
};
struct task_struct {
	struct thread_info thread_info;
	struct seccomp seccomp;
	void *stack;
	unsigned int flags;
	unsigned int ptrace;
	unsigned long atomic_flags;
	int pid, tgid;
	struct task_struct *real_parent, *group_leader;
	struct list_head children, sibling, thread_node;
	struct mm_struct *mm;
	int exit_state, exit_code, exit_signal;
	__u64 utime, stime;
	struct sched_entity se;
	struct task_io_accounting ioac;
	struct fs_struct *fs;
	struct files_struct *files;
	struct nsproxy *nsproxy;
	struct signal_struct *signal;
	const struct cred *real_cred, *cred;
	void *io_uring;       /* it has used one */
	void *worker_private; /* of PF_IO_WORKER: its struct io_worker, or NULL */
	struct pid *thread_pid;
	struct hlist_node pid_links[4];
	struct css_set *cgroups;
	struct callback_head *task_works;
	__u64 start_boottime;
	__u64 self_exec_id; /* counts the execs; since 5.7 of 64 bits (d1e7fd6462ca) */
	kuid_t loginuid;
	unsigned int sessionid;
	struct bpf_run_ctx *bpf_ctx; /* since 5.15 (c7603cfa04e7) */
	char comm[16];
};
struct task_struct___pf_io_worker { /* before 5.17 (e32cf5dfbe22) */
	void *pf_io_worker;
};
struct bpf_trampoline {
	__u64 key;
};
struct bpf_prog;
struct bpf_prog_array_item {
	struct bpf_prog *prog;
};
struct bpf_prog_array {
	struct bpf_prog_array_item items[0];
};
struct bpf_cg_run_ctx { /* task_struct.bpf_ctx, while programs of a cgroup run */
	const struct bpf_prog_array_item *prog_item;
};
struct bpf_sock_addr_kern { /* what a program is handed as struct bpf_sock_addr */
	struct sock *sk;
	void *uaddr;
	void *t_ctx; /* of a datagram: the source address, in its struct flowi6 */
};
struct bpf_iter__task {
	struct task_struct *task;
};
struct bpf_iter__bpf_map_elem {
	void *key, *value; /* NULL behind the last */
};
struct linux_binprm {
	struct file *file;
	int argc;
	const char *filename, *interp, *fdpath;
};

/* Sockets. */
typedef struct {
	struct net *net;
} possible_net_t;
typedef struct {
	__s64 counter;
} atomic64_t;
struct in6_addr {
	union {
		__u8 u6_addr8[16];
	} in6_u;
};
struct sock_common {
	__u32 skc_daddr, skc_rcv_saddr;
	__u16 skc_dport, skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	unsigned char skc_ipv6only : 1;
	int skc_bound_dev_if;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
	atomic64_t skc_cookie;
};
struct sock_cgroup_data {
	struct cgroup *cgroup; /* since 5.16 (8520e224f547) */
};
struct socket;
struct sock {
	struct sock_common __sk_common;
	struct sock_cgroup_data sk_cgrp_data;
	int sk_err;
	struct socket *sk_socket;
	__u16 sk_protocol, sk_type;
	struct pid *sk_peer_pid;
};
typedef enum {
	SS_UNCONNECTED = 1,
} socket_state;
struct socket {
	socket_state state;
	struct file *file;
	struct sock *sk;
};
struct socket_alloc {
	struct inode vfs_inode;
};
struct in6_pktinfo {
	int ipi6_ifindex;
};
struct ipv6_pinfo {
	struct in6_addr saddr;
	int ucast_oif, mcast_oif;
	struct in6_pktinfo sticky_pktinfo;
};
struct flowi_common {
	int flowic_oif;
};
struct flowi6 {
	struct flowi_common __fl_common;
	struct in6_addr saddr;
};
struct inet_cork {
	unsigned int length; /* of all that the last corked datagram has */
};
struct inet_cork_full {
	struct inet_cork base;
};
struct inet_sock {
	struct sock sk;
	struct ipv6_pinfo *pinet6;
	__u32 inet_saddr;
	__u16 inet_sport;
	struct inet_cork_full cork;
};
struct udp_sock {
	int pending; /* the family of a corked datagram; 0: there is none */
	__u16 len;   /* of what it has, with its header */
};
struct tcp_sock {
	bool is_mptcp; /* since 5.6 (eda7acddf808) */
	__u32 segs_out;
};
struct sockaddr_un {
	__u16 sun_family;
	char sun_path[108];
};
struct unix_address {
	int len;
	struct sockaddr_un name[0];
};
struct unix_sock {
	struct unix_address *addr;
	struct path path;
	struct sock *peer;
};
struct netlink_sock {
	__u32 portid, dst_portid;
};
struct msghdr {
	void *msg_name;
	int msg_namelen;
};
struct io_connect {
	void *addr;
	int addr_len;
};
struct __kernel_sockaddr_storage {
	__u16 ss_family;
};
struct io_async_msghdr {
	struct __kernel_sockaddr_storage addr;
};

#pragma clang attribute pop

#endif
