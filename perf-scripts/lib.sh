# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What the measurements have in common outside of the guest (inside/ has what runs in it): which cells there are, what a
# variable may be, the guest, and what the figures were made on.  Sourced, with $top and $name set by who wants others.

: "${top:=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}" "${name:=${0##*/}}"
build=${REGBUF_BUILD:-$top/build}
out=$build/$name
kernel=${KERNEL:-release}

# The modes of the server, and what does without it: the backend itself, the kernel's own drivers and NBD.
cell_modes='copy|user-copy|get-data|register|register-cmd|auto|handoff|register-chain|fused|fused-n'
cell_ours='register|handoff|register-chain|fused|fused-n'
cell_served="null:0:($cell_modes)|loop:1:($cell_modes)|(mirror|stripe):[234]:($cell_modes)"
cell_peers='kloop:1:-|md:[234]:-|nbd:[01]:-'
# The same on legs that keep a record, or md's bitmap: with it and without.
cell_kept="(set|plain):[234]:($cell_modes)|md-bitmap:[234]:-"
cell_re="(raw:0:-|$cell_served|$cell_peers|$cell_kept)"
cell_form=TARGET:LEGS:MODE
cell_example='raw:0:-, null:0:copy, loop:1:register, mirror:2:user-copy, md:2:-'

die() { printf '%s: error: %s\n' "$name" "$*" >&2; exit 1; }
wrong() { printf '%s: error: %s\n' "$name" "$*" >&2; exit 2; }

# help_if_asked ARGUMENT...: the head of the program, and the end.  $help_more is a file whose variables, #   NAME=, it takes too
help_if_asked()
{
	local arg
	for arg; do
		case $arg in
		-h | --help)
			sed -n '3,/^set /{/^#/s/^# \{0,1\}//p}' "$0"
			[ -z "${help_more:-}" ] || sed -n 's/^# \(  [A-Z_]*=.*\)/\1/p' "$help_more"
			exit 0 ;;
		esac
	done
}

# number NAME VALUE LEAST MOST
number()
{
	if [[ ! $2 =~ ^[0-9]{1,7}$ ]] || [ "$2" -lt "$3" ] || [ "$2" -gt "$4" ]; then
		wrong "$1='$2': right is a number from $3 to $4"
	fi
}

# some NAME VALUES CHOICE...: each of the values is one of the choices
some()
{
	local value
	for value in $2; do
		[[ " ${*:3} " == *" $value "* ]] || wrong "$1='$2': '$value' is none of ${*:3}"
	done
}

# Those that are configured alike, and have no checks that cost
check_kernel() { some KERNEL "$kernel" release mainline; }

check_pace() { some PACE "${PACE:-auto}" auto normal batch; }

# check_cells CELL...
check_cells()
{
	local cell
	for cell; do
		[[ $cell =~ ^$cell_re$ ]] || wrong "'$cell' is no cell; right is $cell_form, like $cell_example (legs of a mirror or a stripe 2 to 4)"
		if [ "$kernel" = mainline ] && [[ $cell =~ :($cell_ours)(:|$) ]]; then
			wrong "'$cell': that mode is of our series, and KERNEL=$kernel does not have it"
		fi
	done
}

# check_work CELL...: the same with what is done there
check_work()
{
	cell_re="$cell_re:(4k|64k|512k):(write|read)" cell_form=$cell_form:BS:RW
	cell_example=${cell_example//,/:4k:write,}:4k:write
	check_cells "$@"
}

# prepare WHAT: what is to be measured, and an empty place for the results
prepare()
{
	local maker
	check_kernel
	# shellcheck source=tests/vm/kernels.sh
	. "$top/tests/vm/kernels.sh"
	rm -rf "$out"
	mkdir -p "$out"
	read -ra maker < <(kernel_maker "$kernel")
	"$top/${maker[0]}" "${maker[@]:1}" > /dev/null
	make -s -C "$top" "$1"
}

# in_guest OPTION... COMMAND...: tests/vm/guest with $out as $RESULTS, where the command leaves a file "done" at its end
in_guest()
{
	"$top/tests/vm/guest" --kernel "$kernel" --share "$out" --append 'null_blk.nr_devices=0' "$@" || die 'the guest failed'
	[ -s "$out/done" ] || die "the guest did not come to its end; its console is in $out/console.log"
}

# made_on ACCELERATION CPUS: what a figure belongs to.  The kernel's key names source, configuration and compiler.
made_on()
{
	printf 'Linux %s, kernel %s, %s, %s, %s CPU, %s, %s' "$(cat "$out/uname")" "$(cut -c 1-8 "$build/kernel-$kernel/key")" "$1" \
		"$(qemu-system-x86_64 --version | sed -n '1s/ version / /; 1s/ (.*//p')" "$2" "$(fio --version)" "$(date +%F)"
}

# profile_of CELL TABLE CSV: the cell's instructions by layer, and its TOP dearest symbols
profile_of()
{
	local target legs mode bs rw
	IFS=: read -r target legs mode bs rw <<< "$1"
	printf '\n%s\n' "$1"
	"$top/perf-scripts/report" table TARGET="$target" LEGS="$legs" MODE="$mode" BS="$bs" RW="$rw" "$top/perf-scripts/$2" "$3"
	awk -F, -v cell="$1" 'NR > 1 && $1 ":" $2 ":" $3 ":" $4 ":" $5 == cell { printf "  %6.3f  %-8s %-12s %s\n", $9, $6, $7, $8 }' "$3" |
		sort -nr | sed -n "1,${TOP:-25}p"
}

# settings NAME...: those of the variables that are set, as for a command line
settings()
{
	local v
	for v; do
		[ -z "${!v:-}" ] || printf '%s=%q ' "$v" "${!v}"
	done
}
