#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Linux 6.1.192.
# Guess:  pid in the tracepoint signal_generate is the number of the process that a signal for a whole process (grp=1) goes to.
# So is:  it is the thread id that the sender gave to kill(2), which takes any thread's id and still means the process.
source "$(dirname "$0")/lib.sh"
compile threads <<'C'
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
static void *run(void *unused)
{
	printf("pid=%d tid=%d\n", getpid(), gettid());
	fflush(stdout);
	signal(SIGUSR1, SIG_IGN);
	kill(gettid(), SIGUSR1);
	return unused;
}
int main(void)
{
	pthread_t thread;
	pthread_create(&thread, NULL, run, NULL);
	return pthread_join(thread, NULL);
}
C
out=$(vm "$tmp/threads" <<'GUEST'
trace signal:signal_generate
eval $(threads)
traced | sed -nE "s/.*signal_generate: (sig=10 .*) res.*/\1/; s/pid=$pid /pid=PROCESS /; s/pid=$tid /pid=THREAD /; /^sig/p"
GUEST
)
expect "kill(thread id, SIGUSR1)" 'sig=10 errno=0 code=0 comm=threads pid=THREAD grp=1' "$out"
