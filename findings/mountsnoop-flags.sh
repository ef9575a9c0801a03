#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# libbpf-tools 0.26.0 (Debian 12), on Linux 6.1.192.
# Guess:  mountsnoop shows the names that mount(2) and umount2(2) give to the flags.
# So is:  a bind mount is shown as MS_MOVE, noatime as MS_NODIRATIME, and a lazy umount's MNT_DETACH as MS_NOSUID. Its table of
#         names lacks bit 9, so that MS_NOATIME to MS_REC have a neighbour's name, and umount's flags are read by mount's table.
source "$(dirname "$0")/lib.sh"
unpack libbpf-tools=0.26.0+ds-1
out=$(vm "$root/usr/sbin/mountsnoop" <<'GUEST'
mkdir /mnt/a /mnt/b
mountsnoop -d >log & sleep 5
mount --bind /mnt/a /mnt/b
mount -o remount,bind,noatime /mnt/b
umount -l /mnt/b
sleep 2; kill -INT $!; wait
grep -E '^(OP|FLAGS):' log
GUEST
)
# busybox's mount adds MS_SILENT of its own, and the name is right: from bit 15 on, the table is.
expect "mount --bind, remount with noatime, umount -l" 'OP: MOUNT FLAGS: MS_MOVE \| MS_SILENT OP: MOUNT FLAGS: MS_REMOUNT \| MS_NODIRATIME \| MS_MOVE \| MS_SILENT OP: UMOUNT FLAGS: MS_NOSUID' "$out"
