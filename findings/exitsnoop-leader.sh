#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# libbpf-tools 0.26.0 (Debian 12), on Linux 6.1.192.
# Guess:  exitsnoop, which shows one line for each process unless threads are asked for, shows when a process ended and how.
# So is:  it shows the end of the first thread. A process whose first thread has ended with 7 while another works on, and ends
#         all with 3 two seconds later, is shown as ended at once with code 7; its parent gets 3.
source "$(dirname "$0")/lib.sh"
compile leader <<'C'
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>
static void *work(void *unused)
{
	sleep(2);
	syscall(SYS_exit_group, 3);
	return unused;
}
int main(void)
{
	pthread_t thread;
	pthread_create(&thread, NULL, work, NULL);
	syscall(SYS_exit, 7);
}
C
unpack libbpf-tools=0.26.0+ds-1
out=$(vm "$root/usr/sbin/exitsnoop" "$tmp/leader" <<'GUEST'
exitsnoop >log & sleep 5
leader; echo "parent: $?"
sleep 2; kill -INT $!; wait
awk '$1 == "leader" { print "exitsnoop:", $5 < 1.5 ? "at once" : "later", $6, $7 }' log
GUEST
)
expect "exit status" 'parent: 3 exitsnoop: at once code 7' "$out"
