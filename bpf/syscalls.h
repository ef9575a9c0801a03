/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The system calls that the suite knows by name: X(name, x86-64, i386, arm64, arm, arguments...).
 *
 * The numbers are from arch/x86/entry/syscalls/syscall_{64,32}.tbl, include/uapi/asm-generic/unistd.h and arch/arm/tools/syscall.tbl,
 * without arm's old ABI. NO(n): not on that architecture; n keeps the numbers distinct.
 *
 * The arguments are named by their roles, as struct asked (syscall.bpf.h) has them; 32-bit callers give the same ones. _: of no
 * interest. Behind them stands what the call says without one: "creates", the flags of creat(2); "dir", the type of what mkdir(2) makes. */
#ifndef NEEDLE_SYSCALLS_H
#define NEEDLE_SYSCALLS_H

#define NEEDLE_NO(n) (0x10000 + (n))
/* clang-format off */
#define NEEDLE_SYSCALLS(X)                                                                        \
	X(open, 2, 5, NEEDLE_NO(1), 5, name, flags, mode)                                         \
	X(openat, 257, 295, 56, 322, dfd, name, flags, mode)                                      \
	X(openat2, 437, 437, 437, 437, dfd, name, how)                                            \
	X(creat, 85, 8, NEEDLE_NO(2), 8, name, mode, creates)                                     \
	X(open_by_handle_at, 304, 342, 265, 371, _, _, flags)                                     \
	X(execve, 59, 11, 221, 11, name, argv)                                                    \
	X(execveat, 322, 358, 281, 387, dfd, name, argv, _, at_flags)                             \
	X(connect, 42, 362, 203, 283, fd, addr, addrlen)                                          \
	X(sendto, 44, 369, 206, 290, fd, _, _, flags, addr, addrlen)                              \
	X(sendmsg, 46, 370, 211, 296, fd, message, flags)                                         \
	X(sendmmsg, 307, 345, 269, 374, fd, message, count, flags)                                \
	X(socketcall, NEEDLE_NO(3), 102, NEEDLE_NO(3), NEEDLE_NO(3), _, _)                        \
	X(chmod, 90, 15, NEEDLE_NO(4), 15, name, mode)                                            \
	X(fchmod, 91, 94, 52, 94, fd, mode)                                                       \
	X(fchmodat, 268, 306, 53, 333, dfd, name, mode)                                           \
	X(fchmodat2, 452, 452, 452, 452, dfd, name, mode, at_flags)                               \
	X(mkdir, 83, 39, NEEDLE_NO(5), 39, name, mode, dir)                                       \
	X(mkdirat, 258, 296, 34, 323, dfd, name, mode, dir)                                       \
	X(mknod, 133, 14, NEEDLE_NO(6), 14, name, mode)                                           \
	X(mknodat, 259, 297, 33, 324, dfd, name, mode)                                            \
	X(umask, 95, 60, 166, 60, mode)                                                           \
	X(write, 1, 4, 64, 4, fd)                                                                 \
	X(writev, 20, 146, 66, 146, fd)                                                           \
	X(fork, 57, 2, NEEDLE_NO(7), 2, _)                                                        \
	X(vfork, 58, 190, NEEDLE_NO(8), 190, _)                                                   \
	X(clone, 56, 120, 220, 120, flags)                                                        \
	X(clone3, 435, 435, 435, 435, addr)                                                       \
	X(kill, 62, 37, 129, 37, pid, sig)                                                        \
	X(tkill, 200, 238, 130, 238, pid, sig)                                                    \
	X(tgkill, 234, 270, 131, 268, _, pid, sig)                                                \
	X(rt_sigqueueinfo, 129, 178, 138, 178, pid, sig)                                          \
	X(rt_tgsigqueueinfo, 297, 335, 240, 363, _, pid, sig)                                     \
	X(pidfd_send_signal, 424, 424, 424, 424, fd, sig)                                         \
	X(ptrace, 101, 26, 117, 26, _, pid)                                                       \
	X(io_uring_enter, 426, 426, 426, 426, fd)                                                 \
	X(setuid, 105, 213, 146, 213, _)                                                          \
	X(setgid, 106, 214, 144, 214, _)                                                          \
	X(setreuid, 113, 203, 145, 203, _)                                                        \
	X(setregid, 114, 204, 143, 204, _)                                                        \
	X(setresuid, 117, 208, 147, 208, _)                                                       \
	X(setresgid, 119, 210, 149, 210, _)                                                       \
	X(setfsuid, 122, 215, 151, 215, _)                                                        \
	X(setfsgid, 123, 216, 152, 216, _)                                                        \
	X(setgroups, 116, 206, 159, 206, count)                                                   \
	X(setuid16, NEEDLE_NO(7), 23, NEEDLE_NO(7), 23, _)                                        \
	X(setgid16, NEEDLE_NO(8), 46, NEEDLE_NO(8), 46, _)                                        \
	X(setreuid16, NEEDLE_NO(9), 70, NEEDLE_NO(9), 70, _)                                      \
	X(setregid16, NEEDLE_NO(10), 71, NEEDLE_NO(10), 71, _)                                    \
	X(setresuid16, NEEDLE_NO(11), 164, NEEDLE_NO(11), 164, _)                                 \
	X(setresgid16, NEEDLE_NO(12), 170, NEEDLE_NO(12), 170, _)                                 \
	X(setfsuid16, NEEDLE_NO(13), 138, NEEDLE_NO(13), 138, _)                                  \
	X(setfsgid16, NEEDLE_NO(14), 139, NEEDLE_NO(14), 139, _)                                  \
	X(setgroups16, NEEDLE_NO(15), 81, NEEDLE_NO(15), 81, count)                               \
	X(capset, 126, 185, 91, 185, _, _)                                                        \
	X(prctl, 157, 172, 167, 172, _)                                                           \
	X(keyctl, 250, 288, 219, 311, _)                                                          \
	X(seccomp, 317, 354, 277, 383, _)                                                         \
	X(unshare, 272, 310, 97, 337, flags)                                                      \
	X(setns, 308, 346, 268, 375, fd, flags)

/* What socketcall(2) stands for: X(name, its first argument, how many words of 32 bits its second leads to).
 * include/uapi/linux/net.h, nargs in net/socket.c */
#define NEEDLE_SOCKETCALLS(X)                                                                     \
	X(connect, 3, 3)                                                                          \
	X(sendto, 11, 6)                                                                          \
	X(sendmsg, 16, 3)                                                                         \
	X(sendmmsg, 20, 4)

/* x86's third way in, x32, of which most kernels have to be told (syscall.x32=): the numbers of x86-64 with this bit, and those from 512
 * on for the calls whose structures are those of 32-bit programs: X(number, name). The registers are x86-64's.
 * arch/x86/entry/syscalls/syscall_64.tbl */
#define X32_BIT 0x40000000
#define X32_OWN 512
#define NEEDLE_X32(X)                                                                             \
	X(516, writev)                                                                            \
	X(518, sendmsg)                                                                           \
	X(520, execve)                                                                            \
	X(521, ptrace)                                                                            \
	X(524, rt_sigqueueinfo)                                                                   \
	X(536, rt_tgsigqueueinfo)                                                                 \
	X(538, sendmmsg)                                                                          \
	X(545, execveat)
/* clang-format on */

#ifdef __bpf__
#if defined(__TARGET_ARCH_x86)
#define X(name, x64, i386, a64, arm, ...) NR_##name = x64, NRC_##name = i386,
#elif defined(__TARGET_ARCH_arm64)
#define X(name, x64, i386, a64, arm, ...) NR_##name = a64, NRC_##name = arm,
#else
#error "no system call numbers for this architecture"
#endif
enum { NEEDLE_SYSCALLS(X) };
#undef X

/* The number that the tables above have for what is in the register. */
static __always_inline __u32 plain_number(__u32 nr)
{
#if defined(__TARGET_ARCH_x86)
#define X(number, name) \
	case number: return NR_##name;
	if (nr & X32_BIT) {
		nr &= ~X32_BIT;
		switch (nr) {
			NEEDLE_X32(X)
		}
	}
#undef X
#endif
	return nr;
}

/* Whether it is one whose structures are those of 32-bit programs, though the registers are not. */
static __always_inline __u32 is_x32_own(__u32 nr)
{
#if defined(__TARGET_ARCH_x86)
	return nr & X32_BIT && (nr & ~X32_BIT) >= X32_OWN;
#else
	return 0;
#endif
}
#endif

#endif
