# bash completion for ipop(1) and ipopd(8)

# Names of the networks, or of the members, that the daemon knows; silent where it does not answer.
_ipop_ask() {
    local socket=()
    [[ -n $1 ]] && socket=(--socket "$1")
    case $2 in
        networks) ipop "${socket[@]}" networks 2>/dev/null | awk 'NR > 1 { print $1 }' ;;
        members) ipop "${socket[@]}" status 2>/dev/null |
            awk '$1 == "MEMBER" { on = 1; next } NF == 0 { on = 0 } on && $1 !~ /^\(/ { print $1 }' ;;
    esac
}

_ipop() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    local verbs="create invite join leave up down networks status ping kick admin device netcheck doctor version"
    local verb="" action="" socket="" word i
    COMPREPLY=()

    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
            --socket) socket=${COMP_WORDS[i + 1]}; ((i++)) ;;
            # bash takes --socket=PATH for three words
            =) ;;
            -*) ;;
            *)
                if [[ -z $verb ]]; then
                    verb=$word
                elif [[ ($verb == admin || $verb == device || $verb == doctor) && -z $action ]]; then
                    action=$word
                fi
                ;;
        esac
    done

    case $prev in
        --socket) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --network) COMPREPLY=($(compgen -W "$(_ipop_ask "$socket" networks)" -- "$cur")); return ;;
        --expires) COMPREPLY=($(compgen -W "30m 24h 7d" -- "$cur")); return ;;
        --name | --subnet | --address | --endpoint | --uses | -c | --count | -i | --interval) return ;;
    esac

    local common="--socket --json --help"
    if [[ $cur == -* ]]; then
        case $verb in
            create) common+=" --name --subnet" ;;
            invite) common+=" --uses --expires --name --address" ;;
            join) common+=" --name" ;;
            leave) common+=" --yes" ;;
            ping) common+=" --count --interval --network" ;;
            kick | doctor) common+=" --network" ;;
            admin) [[ -n $action ]] && common+=" --network" ;;
            device) [[ $action == add ]] && common+=" --address --endpoint --no-psk" ;;
        esac
        COMPREPLY=($(compgen -W "$common" -- "$cur"))
        return
    fi
    case $verb in
        "") COMPREPLY=($(compgen -W "$verbs" -- "$cur")) ;;
        join) COMPREPLY=($(compgen -W "-" -- "$cur")) ;;
        invite | leave | up | down | status)
            COMPREPLY=($(compgen -W "$(_ipop_ask "$socket" networks)" -- "$cur")) ;;
        ping | kick) COMPREPLY=($(compgen -W "$(_ipop_ask "$socket" members)" -- "$cur")) ;;
        doctor)
            if [[ -z $action ]]; then
                COMPREPLY=($(compgen -W "$(_ipop_ask "$socket" members)" -- "$cur"))
            else
                COMPREPLY=($(compgen -W "$(_ipop_ask "$socket" networks)" -- "$cur"))
            fi
            ;;
        device) [[ -z $action ]] && COMPREPLY=($(compgen -W "add list show" -- "$cur")) ;;
        admin)
            if [[ -z $action ]]; then
                COMPREPLY=($(compgen -W "add remove" -- "$cur"))
            else
                COMPREPLY=($(compgen -W "$(_ipop_ask "$socket" members)" -- "$cur"))
            fi
            ;;
    esac
}
complete -F _ipop ipop

_ipopd() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    case $prev in
        --state) COMPREPLY=($(compgen -d -- "$cur")) ;;
        --socket | --config) COMPREPLY=($(compgen -f -- "$cur")) ;;
        --log-level) COMPREPLY=($(compgen -W "error warning info debug" -- "$cur")) ;;
        --listen | --interface) COMPREPLY=() ;;
        *) COMPREPLY=($(compgen -W "--state --socket --listen --config --log-level --interface
            --version --help" -- "$cur")) ;;
    esac
}
complete -F _ipopd ipopd
