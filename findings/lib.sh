# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Sourced by each finding: packages of Debian 12 at exact versions, a temporary directory, and a virtual machine.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
root=$tmp/root
PATH=$root/usr/sbin:$root/usr/bin:$root/sbin:$root/bin:$PATH:/usr/sbin:/sbin
export LD_LIBRARY_PATH=$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu

untried() { echo "could not be tried: $*" >&2; exit 2; }

# unpack PACKAGE=VERSION...: into $root; nothing is installed.
unpack() {
  local package
  mkdir -p "$root" "$tmp/deb"
  for package; do
    rm -f "$tmp"/deb/*
    (cd "$tmp/deb" && apt-get -qq -o APT::Sandbox::User=root download "$package") >"$tmp/apt" 2>&1 || untried "no $package to be had"
    dpkg-deb -x "$tmp"/deb/*.deb "$root"
  done
}

# expect WHAT PATTERN TEXT: all of the text, with each run of white space as one blank, has to match the regular expression.
expect() {
  local text
  text=$(tr -s ' \t\n' ' ' <<<"$3")
  text=${text# } text=${text% }
  if [[ $text =~ ^($2)$ ]]; then echo "$1: as found: $text"; else
    echo "$1: CHANGED: found $2, now $text" >&2; exit 1
  fi
}

# compile NAME: the C program on stdin becomes $tmp/NAME, static.
compile() { cc -static -pthread -x c -o "$tmp/$1" - || untried "no C compiler with static libraries"; }

# vm FILE...: runs the shell script on stdin as root in Debian's kernel 6.1.192, with busybox, the FILEs in /bin (kernel
# modules, NAME.ko, are loaded) and the libraries they need. Prints what the script prints. In the script,
# `trace EVENT...` begins a trace of these events, and `traced` prints it.
vm() {
  local guest=$tmp/guest file library
  mkdir -p "$guest"/{bin,dev,proc,sys,tmp,mnt}
  cat >"$guest/script"
  unpack linux-image-6.1.0-56-cloud-amd64=6.1.192-2 busybox-static=1:1.35.0-4+deb12u1+b1
  cp "$root/bin/busybox" "$guest/bin"
  for file; do
    [[ $file == *.ko ]] && file=$(find "$root/lib/modules" -name "$file")
    cp "$file" "$guest/bin"
    for library in $(ldd "$file" 2>/dev/null | grep -o '/[^ ]*'); do
      mkdir -p "$guest$(dirname "${library#"$root"}")"
      cp -L "$library" "$guest${library#"$root"}"
    done
  done
  cat >"$guest/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin LD_LIBRARY_PATH=/usr/lib/x86_64-linux-gnu:/lib/x86_64-linux-gnu
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
mount -t tracefs trace /sys/kernel/tracing; mount -t cgroup2 cgroup /sys/fs/cgroup
ip link set lo up
for module in /bin/*.ko; do [ ! -e $module ] || insmod $module; done
trace() { : >/sys/kernel/tracing/trace; echo "$@" >/sys/kernel/tracing/set_event; }
traced() { echo >/sys/kernel/tracing/set_event; grep -v '^#' /sys/kernel/tracing/trace; }
cd /tmp; . /script >/dev/ttyS1 2>&1
echo END >/dev/ttyS1; poweroff -f
INIT
  chmod +x "$guest/init"
  (cd "$guest" && find . | cpio -o -H newc 2>/dev/null | gzip -1) >"$tmp/initrd"
  timeout 120 qemu-system-x86_64 -accel tcg -cpu max -m 1024 -smp 1 -display none -no-reboot -kernel "$root"/boot/vmlinuz-* \
    -initrd "$tmp/initrd" -append 'console=ttyS0 panic=-1' -serial "file:$tmp/console" -serial "file:$tmp/out" \
    >"$tmp/qemu" 2>&1 || untried "no virtual machine: $(tail -n 1 "$tmp/qemu")"
  tr -d '\r' <"$tmp/out" | grep -qx END || untried "the virtual machine did not come to its end: $(tail -n 1 "$tmp/console")"
  tr -d '\r' <"$tmp/out" | grep -vx END
}
