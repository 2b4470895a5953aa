# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Which guest tests run on a kernel of Debian's, as tests/guest/debian says.

shopt -s extglob

select_list=$top/tests/guest/debian

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

# select_filter FILE PATTERN WORD...: a filter for batch, or nothing where none of its tests is to run
select_filter()
{
	local file=$1
	shift
	tests_of "$file" | select_tests "${file##*/}" "$@" | paste -sd '|' | sed 's/..*/@(&)/'
}
