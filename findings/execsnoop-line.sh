#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# libbpf-tools 0.26.0 (Debian 12), on Linux 6.1.192.
# Guess:  execsnoop -l WORD shows the commands that have WORD in an argument, as its help says.
# So is:  it compares the process's name (comm) only: a command with WORD as argument is not shown, one named so is.
source "$(dirname "$0")/lib.sh"
unpack libbpf-tools=0.26.0+ds-1
out=$(vm "$root/usr/sbin/execsnoop" <<'GUEST'
execsnoop --help | grep -o 'only print commands where arg contains this line'
ln -s busybox /bin/busybox-word
execsnoop -l word >log & sleep 5
busybox ls word 2>/dev/null
busybox-word ls other 2>/dev/null
sleep 2; kill -INT $!; wait
awk '{ print $1, $4, $5, $6, $7 }' log
GUEST
)
expect "execsnoop -l word" 'only print commands where arg contains this line PCOMM RET ARGS busybox-word 0 /bin/busybox-word ls other' "$out"
