#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Linux 6.1.192.
# Guess:  every new thread passes the tracepoint sched_process_fork.
# So is:  the threads that io_uring makes inside a process (here the one of IORING_SETUP_SQPOLL) pass task_newtask only.
source "$(dirname "$0")/lib.sh"
compile ring <<'C'
#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void)
{
	struct io_uring_params params = { .flags = IORING_SETUP_SQPOLL };
	return syscall(SYS_io_uring_setup, 4, &params) < 0;
}
C
out=$(vm "$tmp/ring" <<'GUEST'
trace sched:sched_process_fork task:task_newtask
(ring) && echo made
traced | sed -nE 's/.*: (task_newtask|sched_process_fork): .*comm=ring .*/\1/p'
GUEST
)
expect "io_uring_setup" 'made task_newtask' "$out"
