# SPDX-License-Identifier: GPL-2.0
# Turns TAP, Criterion's or a script's, into lines: pass|fail|skip TAB test TAB why.
# -v filtered=1: tests that a filter left out are not mentioned.

function finish()
{
	if (state != "")
		printf "%s\t%s\t%s\n", state, name, why
	state = ""
}

/^1\.\.[0-9]+/ { plan = substr($1, 4) }
/^(not )?ok / {
	finish()
	count++
	state = /^ok/ ? "pass" : "fail"
	name = $0
	sub(/^(not )?ok +([0-9]+ +)?(- +)?/, "", name)
	why = ""
	if (match(name, /# SKIP.*/)) {
		why = substr(name, RSTART + 7)
		name = substr(name, 1, RSTART - 1)
		state = "skip"
	}
	sub(/ +\([0-9.]+s\).*/, "", name)
	# "a::tmo timed out (1.01s)", "a::crash unexpected signal after t.c:6"
	if (state == "fail" && match(name, / (timed out|unexpected signal).*/)) {
		why = substr(name, RSTART + 1)
		name = substr(name, 1, RSTART - 1)
	}
	gsub(/ +$/, "", name)
	if (state == "skip" && (why == "" || why == "test was skipped")) {
		if (filtered) { state = ""; next }
		state = "fail"
		why = "skipped without a reason"
	}
	# in the guest everything must run: the kernel there is the one to test
	if (state == "skip" && why ~ /^no kernel/) {
		state = "fail"
		why = "skipped: " why
	}
	next
}
/^ *(---|\.\.\.|assertions:|failures:|#)/ { next }
/^ *#/ { next }
state == "fail" && NF { line = $0; gsub(/^[ \t]+/, "", line); gsub(/\t/, " ", line); if (length(why) < 400) why = why (why == "" ? "" : " ") line }
END {
	finish()
	if (count == 0)
		printf "fail\t(all)\tthe report has no results\n"
	else if (plan == "" || plan != count)
		printf "fail\t(all)\tthe report has %d results of the %s that it announces\n", count, plan == "" ? "unknown number" : plan
}
