# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Completion of needle's tools for fish. To be sourced, or installed under each tool's name. It knows no option and no value: it asks
# the tool, by --complete (common/run/complete.h).

function __needle_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l before
    if string match -qr -- '^--[^=]+=' "$current"
        set before (string replace -r -- '=.*' '=' "$current")
    end
    for line in ($words[1] --complete $words[2..-1] "$current" 2>/dev/null)
        switch $line
            case :files
                for path in (__fish_complete_path (string replace -- "$before" '' "$current"))
                    echo "$before$path"
                end
                return
            case ':command *'
                set -l first (math (count $words) + 2 - (string replace ':command ' '' -- $line))
                set -l rest
                test $first -le (count $words); and set rest (string escape -- $words[$first..-1])
                complete -C (string join ' ' -- $rest "$current")
                return
            case :nospace
            case '*'
                echo $line
        end
    end
end

for name in @NAMES@
    complete -c $name -f -a '(__needle_complete)'
end
