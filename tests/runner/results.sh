# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What the runner knows of results: one line each in $results, from reports or from their absence.

elapsed() { printf '%2d:%02d' $((SECONDS / 60)) $((SECONDS % 60)); }
say() { printf '[%s] %s\n' "$(elapsed)" "$*"; }

# record STATE WHERE TEST WHY: one result; tells of failures and skips at once
record()
{
	printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" >> "$results"
	case $1 in
	fail) printf '        FAIL %s %s: %s\n' "$2" "$3" "$4" ;;
	skip) printf '        skip %s %s: %s\n' "$2" "$3" "$4" ;;
	esac
}

# record_tap WHERE FILE: what a report says; prints how many failed
record_tap()
{
	local state test why
	while IFS=$'\t' read -r state test why; do
		record "$state" "$1" "$test" "${why:-no message}"
	done < <(awk -v filtered="${filter:+1}" -f "$top/tests/runner/tap.awk" "$2")
}

# record_out WHERE FILE WHY: no report came; what Criterion printed tells how far the tests got
record_out()
{
	local last
	last=$(sed -n 's/^\[RUN *\] \([^ ]*\).*/\1/p' "$2" 2>/dev/null | tail -n 1)
	while read -r test; do record pass "$1" "$test" ''; done < <(sed -n 's/^\[PASS\] \([^ :]*::[^ :]*\).*/\1/p' "$2" 2>/dev/null)
	while read -r test; do record fail "$1" "$test" 'see the output'; done < <(sed -n 's/^\[FAIL\] \([^ :]*::[^ :]*\).*/\1/p' "$2" 2>/dev/null)
	record fail "$1" "${last:-(all)}" "$3"
}

# failures WHERE: of others there may be more at any time
failures() { grep -cF "fail	$1	" "$results" 2>/dev/null || true; }

# record_binary WHERE DIR NAME: everything that one binary left in DIR
record_binary()
{
	local where=$1 file=$2/$3 seconds status before after
	before=$(failures "$where")
	read -r seconds status < "$file.status"
	if [ -s "$file.tap" ]; then
		record_tap "$where" "$file.tap"
	else
		record_out "$where" "$file.out" "no report, exit status $status"
	fi
	after=$(failures "$where")
	if [ "$status" = splat ]; then
		record fail "$where" '(kernel)' "$(head -n 3 "$file.splat" | tr '\n' ' ')"
	elif [ "$status" != 0 ] && [ "$before" = "$after" ]; then
		record fail "$where" '(all)' "exit status $status, though every test passed"
	fi
	after=$(failures "$where")
	say "$where: $(grep -c "^pass	$where	" "$results" || true) passed, $((after - before)) failed, ${seconds} s"
}

# tally: the last line, and the exit status of the whole run
tally()
{
	local passed failed skipped
	passed=$(grep -c '^pass' "$results" || true)
	failed=$(grep -c '^fail' "$results" || true)
	skipped=$(grep -c '^skip' "$results" || true)
	[ "$failed" = 0 ] || { echo 'failed:'; sed -n 's/^fail\t\([^\t]*\)\t\([^\t]*\)\t.*/  \1 \2/p' "$results"; }
	echo "$passed passed, $failed failed$([ "$skipped" = 0 ] || echo ", $skipped skipped")"
	[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}
