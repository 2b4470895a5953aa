# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The states of the series at which guest tests are run: which patch ends each, which
# tests it has to pass, and whether it did.  kernel/states says the first two.

# In $state_names, oldest first.  By name: the subject of its last patch, '' for the
# end of the series; its tests and those of the states before it; its commit.
state_names=()
declare -A state_subject=() state_tests=() state_commit=()

states_die() { die "kernel/states: $*"; }

# states_add NAME SUBJECT
states_add()
{
	[[ $1 =~ ^[a-z][a-z-]*$ ]] || states_die "'$1': right is a name of lower case letters, a colon, and a subject"
	[ -z "${state_subject[$1]+set}" ] || states_die "there are two states $1"
	state_tests[$1]=
	[ ${#state_names[@]} = 0 ] || state_tests[$1]=${state_tests[${state_names[-1]}]}
	state_names+=("$1")
	state_subject[$1]=$2
}

# states_load FILE: `NAME: SUBJECT`, and an indented line for each test
states_load()
{
	local line test subject
	state_names=() state_subject=() state_tests=()
	[ -f "$1" ] || states_die 'there is no such file'
	while IFS= read -r line; do
		case $line in
		'#'* | '') ;;
		$'\t'*)
			test=${line#$'\t'}
			[ ${#state_names[@]} -gt 0 ] || states_die "the test $test stands before the first state"
			state_tests[${state_names[-1]}]+=$test$'\n' ;;
		*:*)
			subject=${line#*:}
			states_add "${line%%:*}" "${subject# }" ;;
		*) states_die "'$line': right is NAME: SUBJECT, or a tab and a test" ;;
		esac
	done < "$1"
	[ ${#state_names[@]} -gt 0 ] || states_die 'it names no state'
	[ -n "${state_tests[${state_names[0]}]}" ] || states_die "the state ${state_names[0]} has no test"
}

# states_place REPO BASE TIP: finds the commits of the states, which have to be in the order of the series
states_place()
{
	local name subject found rest last=$2
	for name in "${state_names[@]}"; do
		subject=${state_subject[$name]}
		if [ -z "$subject" ]; then
			found=$3
		else
			found=$(g -C "$1" log --format='%H %s' "$2..$3" | awk -v s="$subject" 'substr($0, 42) == s { print $1 }')
		fi
		read -r -d '' found rest <<< "$found" || true
		[ -n "$found" ] || states_die "$name: no patch of the series has the subject '$subject'"
		[ -z "$rest" ] || states_die "$name: several patches of the series have the subject '$subject'"
		if [ "$found" = "$last" ] || ! g -C "$1" merge-base --is-ancestor "$last" "$found"; then
			states_die "$name: '${subject:-the end of the series}' does not come after the state before it"
		fi
		state_commit[$name]=$found
		last=$found
	done
	[ "$last" = "$3" ] || states_die "the last state, $name, is not the end of the series; right is '$name:' without a subject"
}

# state_complaints DIR TEST: what is wrong with the results in DIR; nothing if the test has passed
state_complaints()
{
	local program=${2%%/*} filtered='' status
	[ "$program" = "$2" ] || filtered=1
	if [ ! -f "$1/$program.status" ]; then echo 'no result: the guest went away, or did not start it'; return; fi
	read -r _ status < "$1/$program.status"
	if [ ! -s "$1/$program.tap" ]; then echo "no report, exit status $status"; return; fi
	[ "$status" != splat ] || sed -n '1,3s/^/the kernel complained: /p' "$1/$program.splat"
	awk -v filtered="$filtered" -f "$top/tests/runner/tap.awk" "$1/$program.tap" |
		awk -F '\t' -v status="$status" '$1 == "fail" { print $2 ": " $3; failed++ }
			$1 == "pass" { passed++ }
			END { if (!passed) print "nothing of it has passed"
			      if (status + 0 && !failed) print "exit status " status ", though no test failed" }'
}
