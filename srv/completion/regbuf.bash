# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Completion for bash.  Commands, modes, targets and options are asked of `regbuf --help`,
# which prints them from their tables; values of choices are here, and tests/host/manual
# compares them with those that regbuf takes.

_regbuf_help() { "${COMP_WORDS[0]}" "$@" --help 2> /dev/null; }

# _regbuf_options COMMAND [TARGET...]: the long options of the command and of these targets
_regbuf_options()
{
	local command=$1
	shift
	# shellcheck disable=SC2086 # "mirror create" is two words
	_regbuf_help $command | awk -v targets=" $* " '
		/^modes:/ { hidden = 1 }
		/^-t / { sub(/:$/, "", $2); hidden = !index(targets, " " $2 " ") }
		!hidden && match($0, /^  ( *|-[a-z], )--[a-z-]+/) { $0 = substr($0, 1, RLENGTH); print $NF }'
	echo --help
}

# _regbuf_commands [COMMAND]: the commands, or its subcommands
_regbuf_commands() { _regbuf_help "$@" | sed -n 's/^  \([a-z-]*\) .*/\1/p'; }

_regbuf_names()
{
	local file
	for file in "${REGBUF_CONFIG_DIR:-/etc/regbuf}"/*.conf; do
		[ ! -f "$file" ] || basename "$file" .conf
	done
}

_regbuf_targets() { _regbuf_help add | sed -n 's/^-t \([a-z]*\):.*/\1/p'; }
_regbuf_modes() { _regbuf_help add | sed -n '/^modes:/,/^$/s/^  \([a-z-]*\) .*/\1/p'; }

_regbuf_ids()
{
	local dev
	for dev in "${REGBUF_SYS_CLASS:-/sys/class/ublk-char}"/ublkc*; do
		[ ! -d "$dev" ] || echo "${dev##*/ublkc}"
	done
}

# _regbuf_value OPTION COMMAND: what may stand behind the option; fails when that is free
_regbuf_value()
{
	case $1 in
	-t | --type) _regbuf_targets ;;
	-i | --inner) _regbuf_targets | grep -vx fault ;;
	-m | --mode) _regbuf_modes ;;
	-p | --pace) echo auto normal batch ;;
	--stable) echo cache always off ;;
	-n | --id) case $2 in add | mirror*) ;; *) _regbuf_ids ;; esac ;;
	--fault) echo none delay error short die ;;
	--fault-op) echo read write flush discard write-zeroes any ;;
	--fault-moment) echo arrive inflight 'done' ;;
	-b | --block) echo 512 1024 2048 4096 ;;
	-q | --queues | -d | --depth | --max-io | -s | --size | -c | --chunk) ;;
	--fault-every | --fault-after | --fault-from | --fault-to | --fault-leg | --fault-errno | --fault-delay) ;;
	*) return 1 ;;
	esac
}

# The targets that the line names so far, the last word left out
_regbuf_named_targets()
{
	local i
	for ((i = 2; i < COMP_CWORD - 1; i++)); do
		case ${COMP_WORDS[i]} in
		-t | --type | -i | --inner)
			# bash takes = for a word
			[ "${COMP_WORDS[i + 1]}" != '=' ] || i=$((i + 1))
			echo "${COMP_WORDS[i + 1]}" ;;
		esac
	done
}

_regbuf_files()
{
	compopt -o filenames 2> /dev/null
	mapfile -t COMPREPLY < <(compgen -f -- "$1")
}

_regbuf()
{
	local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} words
	COMPREPLY=()
	[ "$command" != mirror ] || [ "$COMP_CWORD" -lt 3 ] || command="mirror ${COMP_WORDS[2]}"
	if [ "$COMP_CWORD" = 1 ]; then
		words="$(_regbuf_commands) --help --version"
	elif [ "$command" = mirror ]; then
		words="$(_regbuf_commands mirror) --help"
	elif [ "$command" = 'mirror examine' ] && [ "${current:0:1}" != - ]; then
		_regbuf_files "$current"
		return
	elif [ "$command" = run ] || [ "$command" = check-config ]; then
		words="$(_regbuf_names) --help"
	else
		[ "$current" != '=' ] || current=
		[ "$before" != '=' ] || before=${COMP_WORDS[COMP_CWORD - 2]}
		case $before in
		-l | --leg | -w | --with | -e | --exec)
			_regbuf_files "$current"
			return ;;
		--write-mostly)
			# a leg where one is made, and a flag of a leg that is named
			if [ "$command" != 'mirror add' ] && [ "$command" != 'mirror mark' ]; then
				_regbuf_files "$current"
				return
			fi ;;
		esac
		# shellcheck disable=SC2046 # a word each
		words=$(_regbuf_value "$before" "$command") || words=$(_regbuf_options "$command" $(_regbuf_named_targets))
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _regbuf regbuf
