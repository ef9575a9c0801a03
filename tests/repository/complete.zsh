# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# complete.zsh COMPLETION LINE - what zsh shows for a tab behind this line: an interactive one, on a terminal of its own.
zmodload zsh/zpty
wait_for() { # WORD: prints what comes until then, for 20 seconds at most
  local chunk all=
  for i in {1..400}; do
    while zpty -r -t z chunk; do all+=$chunk; done
    [[ $all == *$1* ]] && break
    sleep 0.05
  done
  print -r -- "$all"
}
zpty z env PS1= TERM=dumb COLUMNS=1000 zsh -f -i
zpty -w z "autoload -Uz compinit; compinit -D -u; source ${(q)1}"
zpty -w z "finish() { print; print fin'ished' }; zle -N finish; bindkey '^X' finish; print rea'dy'"
wait_for ready >/dev/null
zpty -n -w z "$2"$'\t\x18'
wait_for finished
zpty -d z
