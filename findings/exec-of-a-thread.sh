#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Linux 6.1.192.
# Guess:  sched_process_exit with pid = tgid is the end of a process.
# So is:  when another thread than the first calls execve, the first thread's sched_process_exit comes before sched_process_exec:
#         a process number ends, executes a program, and ends again. old_pid, the caller's thread id, is the only trace of it.
source "$(dirname "$0")/lib.sh"
compile threads <<'C'
#include <pthread.h>
#include <unistd.h>
static void *run(void *unused)
{
	execl("/bin/busybox", "busybox", "true", NULL);
	return unused;
}
int main(void)
{
	pthread_t thread;
	pthread_create(&thread, NULL, run, NULL);
	pause();
}
C
out=$(vm "$tmp/threads" <<'GUEST'
trace sched:sched_process_exec sched:sched_process_exit
threads & leader=$!; wait
traced | sed -nE "s/.*: sched_process_(.*)/\1/; /[ =]$leader( |\$)/ { s/prio=.*//; s/old_pid=$leader/old_pid=LEADER/; s/ pid=$leader/ pid=LEADER/; p }"
GUEST
)
expect "events" 'exec: filename=/bin/threads pid=LEADER old_pid=LEADER exit: comm=threads pid=LEADER exec: filename=/bin/busybox pid=LEADER old_pid=[0-9]+ exit: comm=busybox pid=LEADER' "$out"
