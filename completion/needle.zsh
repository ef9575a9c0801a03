#compdef @NAMES@
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Completion of needle's tools for zsh. To be installed as _needle in a directory of $fpath, or sourced behind compinit. It knows no
# option and no value: it asks the tool, by --complete (common/run/complete.h).

_needle() {
  local line nospace=
  local -a given plain meanings
  given=("${(@Q)words[2,CURRENT]}")
  for line in "${(@f)$($~words[1] --complete "${given[@]}" 2>/dev/null)}"; do
    case $line in
      '') ;;
      :files)
        [[ $PREFIX != --*=* ]] || compset -P '*='
        _files
        return ;;
      :command*)
        local -i n=$(( $#given + 1 - ${line#:command } ))
        shift $n words
        (( CURRENT -= n ))
        _normal
        return ;;
      :nospace) nospace=1 ;;
      *)
        plain+=("${line%%$'\t'*}")
        meanings+=("${line/$'\t'/  -- }") ;;
    esac
  done
  (( $#plain )) || return 1
  compadd ${nospace:+-S} ${nospace:+''} -l -d meanings -- "${plain[@]}"
}

if [[ $funcstack[1] == _needle ]]; then
  _needle "$@"
else
  compdef _needle @NAMES@
fi
