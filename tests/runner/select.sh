# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Which guest tests run where: on a kernel of Debian's, as tests/guest/debian says, and on ours in a slice, as
# tests/guest/turns says.

shopt -s extglob

select_list=$top/tests/guest/debian
select_turns=$top/tests/guest/turns

# select_programs: those that are named in it
select_programs() { awk '!/^#/ && NF { sub("/.*", "", $2); print $2 }' "$select_list" | sort -u; }

# select_rows PROGRAM: `WORD PATTERN` for each of its lines
select_rows()
{
	awk -v program="$1" '!/^#/ && NF { n = split($2, part, "/"); if (part[1] == program) print $1, (n > 1 ? part[2] : "*") }' "$select_list"
}

# select_named ROWS TEST WORD...: is it named by a row that begins with one of these?
select_named()
{
	local rows=$1 test=$2 word pattern
	shift 2
	while read -r word pattern; do
		# shellcheck disable=SC2053 # a pattern
		if [[ " $* " = *" $word "* ]] && [[ $test = $pattern ]]; then return 0; fi
	done <<< "$rows"
	return 1
}

# select_tests PROGRAM PATTERN WORD...: of the tests on standard input, those that match, and are named by a
# line with one of these words and by none that says not
select_tests()
{
	local lines test pattern=$2
	lines=$(select_rows "$1")
	shift 2
	while read -r test; do
		# shellcheck disable=SC2053 # a pattern
		if [[ $test = ${pattern:-*} ]] && select_named "$lines" "$test" "$@" && ! select_named "$lines" "$test" not; then
			echo "$test"
		fi
	done
}

# tests_of FILE: the names of a program's tests
tests_of() { "$1" --list | sed -n 's/^[^a-z]* \([a-z_0-9]*\)$/\1/p'; }

# as_filter: the tests on standard input as a filter for batch, or nothing where there is none
as_filter() { paste -sd '|' | sed 's/..*/@(&)/'; }

# select_filter FILE PATTERN WORD...
select_filter()
{
	local file=$1
	shift
	tests_of "$file" | select_tests "${file##*/}" "$@" | as_filter
}

# select_turn PROGRAM KERNEL TURN: of the tests on standard input, those whose turn it is there.  As many turns as
# its line has kernels bring each test to each of them.
select_turn()
{
	awk -v program="$1" -v kernel="$2" -v turn="$3" '
		NR == FNR { if (!/^#/ && $2 == program) nr = split($1, kernels, ","); next }
		FNR == 1 { for (i in kernels) if (kernels[i] == kernel) here = 1 }
		!here || kernels[(FNR - 1 + turn) % nr + 1] == kernel' "$select_turns" -
}

# has_turns PROGRAM
has_turns() { awk -v program="$1" '!/^#/ && $2 == program { found = 1 } END { exit !found }' "$select_turns"; }
