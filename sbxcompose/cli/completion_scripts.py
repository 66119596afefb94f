"""The completion scripts of shells.

They give the line up to the cursor, whole: bash cuts words at `=` and `:`, after which
`web: x` and `web:x` look the same. An answer has its type, the value and, for zsh and fish, what it means.
"""

from __future__ import annotations

BASH = r"""
_sbxcompose_completion() {
    local IFS=$'\n' program=sbxcompose completion type value
    [[ $1 == */* ]] && program=${1/#\~/$HOME}
    COMPREPLY=()
    for completion in $(env COMP_WORDS="${COMP_LINE:0:COMP_POINT}" COMP_CURRENT="$2" \
        _SBXCOMPOSE_COMPLETE=bash_complete "$program"); do
        IFS=',' read -r type value <<< "$completion"
        case $type in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain)
                COMPREPLY+=("$value")
                # What is not finished is followed by no space.
                [[ $value == *[=:] ]] && compopt -o nospace
                ;;
        esac
    done
    return 0
}
complete -o nosort -F _sbxcompose_completion sbxcompose
"""

ZSH = r"""
#compdef sbxcompose

_sbxcompose_completion() {
    local -a described finished unfinished response
    local program=sbxcompose line type value text
    [[ $words[1] == */* ]] && program=${~words[1]}
    (( $+commands[$program] )) || [[ -x $program ]] || return 1
    line="${(j: :)words[1,CURRENT-1]} $PREFIX"
    response=("${(@f)$(env COMP_WORDS="$line" _SBXCOMPOSE_COMPLETE=zsh_complete $program)}")
    for type value text in $response; do
        case $type in
            dir) [[ $PREFIX == --*=* ]] && compset -P '--*='; _path_files -/ ;;
            file) [[ $PREFIX == --*=* ]] && compset -P '--*='; _path_files -f ;;
            plain)
                if [[ $text != _ ]]; then
                    described+=("$value:$text")
                elif [[ $value == *[=:] ]]; then
                    unfinished+=("$value")
                else
                    finished+=("$value")
                fi
                ;;
        esac
    done
    (( $#described )) && _describe -V sbxcompose described -U
    (( $#finished )) && compadd -U -V sbxcompose -a finished
    # What is not finished is followed by no space.
    (( $#unfinished )) && compadd -U -S '' -V sbxcompose -a unfinished
    return 0
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _sbxcompose_completion "$@"
else
    compdef _sbxcompose_completion sbxcompose
fi
"""

FISH = r"""
function _sbxcompose_completion
    set -l before (string match --regex -- '^--[^=]*=' (commandline -ct))
    for completion in (env _SBXCOMPOSE_COMPLETE=fish_complete COMP_WORDS=(commandline -cp | string collect) sbxcompose)
        set -l answer (string split -m 1 "," -- $completion)
        switch $answer[1]
            case dir
                printf "$before%s\n" (__fish_complete_directories $answer[2])
            case file
                printf "$before%s\n" (__fish_complete_path $answer[2])
            case plain
                echo $answer[2]
        end
    end
end
complete --no-files --keep-order --command sbxcompose --arguments "(_sbxcompose_completion)"
"""

SCRIPTS = {"bash": BASH.strip(), "zsh": ZSH.strip(), "fish": FISH.strip()}
