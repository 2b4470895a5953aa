# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# For test scripts: each case is a function that returns 0 when all is well; what
# it prints is shown when it fails.  Ends with the plan.

tap_count=0

# tap NAME [ARGUMENT...]: runs the case named by the function
tap()
{
	local out
	tap_count=$((tap_count + 1))
	if out=$("$@" 2>&1); then
		echo "ok $tap_count - $1"
	else
		echo "not ok $tap_count - $1"
		printf '%s\n' "$out" | tail -n 15 | sed 's/^/  /'
	fi
}

tap_plan() { echo "1..$tap_count"; }

# fails_with PATTERN COMMAND...: the command fails, and says so in these words
fails_with()
{
	local pattern=$1 out
	shift
	if out=$("$@" 2>&1); then
		printf 'succeeded, but should have failed: %s\n%s\n' "$*" "$out"
		return 1
	fi
	printf '%s\n' "$out" | grep -E -- "$pattern" > /dev/null || {
		printf 'failed without saying "%s": %s\n%s\n' "$pattern" "$*" "$out"
		return 1
	}
}
