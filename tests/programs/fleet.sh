# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# pdsh and clush, with two hosts: each has a server of SSH on a port of loopback, and a name. Every line says whose it is.
needs=(clush dropbear jq pdsh python3 ssh)
source "$(dirname "$0")/common.sh"

ssh-keygen -q -t ed25519 -N '' -f "$work/key"
mkdir -p "$work/home/.ssh"
cp "$work/key.pub" "$work/home/.ssh/authorized_keys"
chmod -R go= "$work/home"
awk -v OFS=: -F: -v home="$work/home" '$3 == 0 {$6 = home} 1' /etc/passwd >"$work/passwd"  # it reads the keys there
for n in 1 2; do
  dropbearkey -t ed25519 -f "$work/host$n" >/dev/null 2>&1
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  cat >>"$work/config" <<END
Host needle$n
  HostName 127.0.0.1
  Port $port
  User root
  IdentityFile $work/key
  IdentitiesOnly yes
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  LogLevel ERROR
END
  unshare -mu bash -c "mount --make-rprivate / && mount --bind $work/passwd /etc/passwd && hostname needle$n &&
    exec dropbear -F -E -s -r $work/host$n -p 127.0.0.1:$port -P $work/pid$n" 2>"$work/log$n" &
done
for n in 1 2; do check eventually ssh -F "$work/config" "needle$n" true; done

touch "$work/secret"
tool=$build_dir/bin/opensnoop
trace="$tool -j -o event,host,path --path $work/secret -- cat $work/secret"
export PDSH_RCMD_TYPE=ssh PDSH_SSH_ARGS_APPEND="-F $work/config"
for shell in "pdsh -N -w needle[1-2]" "clush -L -q -o '-F $work/config' -w needle[1-2]"; do
  eval "$shell \"\$trace\"" 2>/dev/null | sed 's/^needle[12]: //' >"$work/lines"
  for n in 1 2; do
    # Each sees what is done on this machine by the other too: the processes that it follows are its own.
    check equal "$shell, needle$n" "$(jq -r "select(.host == \"needle$n\") | [.event, .tool // .path // .shown] | @tsv" "$work/lines" | sort)" \
      "$(printf 'end\t1\nopen\t%s\nstart\topensnoop' "$work/secret")"
  done
done
finish
