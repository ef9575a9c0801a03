/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The system calls that the suite knows by name: X(name, x86-64, i386, arm64, arm).
 * From arch/x86/entry/syscalls/syscall_{64,32}.tbl, include/uapi/asm-generic/unistd.h and
 * arch/arm/tools/syscall.tbl, without arm's old ABI. NO(n): not on that architecture; n keeps
 * the numbers distinct. */
#ifndef NEEDLE_SYSCALLS_H
#define NEEDLE_SYSCALLS_H

#define NEEDLE_NO(n) (0x10000 + (n))
/* clang-format off */
#define NEEDLE_SYSCALLS(X)                                                  \
	X(open, 2, 5, NEEDLE_NO(1), 5)                                          \
	X(openat, 257, 295, 56, 322)                                            \
	X(openat2, 437, 437, 437, 437)                                          \
	X(creat, 85, 8, NEEDLE_NO(2), 8)                                        \
	X(open_by_handle_at, 304, 342, 265, 371)                                \
	X(execve, 59, 11, 221, 11)                                              \
	X(execveat, 322, 358, 281, 387)                                         \
	X(connect, 42, 362, 203, 283)                                           \
	X(sendto, 44, 369, 206, 290)                                            \
	X(sendmsg, 46, 370, 211, 296)                                           \
	X(sendmmsg, 307, 345, 269, 374)                                         \
	X(socketcall, NEEDLE_NO(3), 102, NEEDLE_NO(3), NEEDLE_NO(3))            \
	X(chmod, 90, 15, NEEDLE_NO(4), 15)                                      \
	X(fchmod, 91, 94, 52, 94)                                               \
	X(fchmodat, 268, 306, 53, 333)                                          \
	X(fchmodat2, 452, 452, 452, 452)                                        \
	X(mkdir, 83, 39, NEEDLE_NO(5), 39)                                      \
	X(mkdirat, 258, 296, 34, 323)                                           \
	X(mknod, 133, 14, NEEDLE_NO(6), 14)                                     \
	X(mknodat, 259, 297, 33, 324)                                           \
	X(umask, 95, 60, 166, 60)                                               \
	X(write, 1, 4, 64, 4)                                                   \
	X(writev, 20, 146, 66, 146)                                             \
	X(io_uring_enter, 426, 426, 426, 426)
/* clang-format on */

#ifdef __bpf__
#if defined(__TARGET_ARCH_x86)
#define X(name, x64, i386, a64, arm) NR_##name = x64, NRC_##name = i386,
#elif defined(__TARGET_ARCH_arm64)
#define X(name, x64, i386, a64, arm) NR_##name = a64, NRC_##name = arm,
#else
#error "no system call numbers for this architecture"
#endif
enum { NEEDLE_SYSCALLS(X) };
#undef X
#endif

#endif
