# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by the tests themselves, in the guest.  They start sub-cases in the background and look
# at no status, so that PASS says nothing of these: each gets a line in $SUBCASES, its status and
# its command, with a tab.  One with an argument in $SUBCASES_WITHOUT is left out, and says so.

# subcase COMMAND...: a shell of its own, as the command may end it
subcase()
{
	local subcase_status=0 word
	for word in $SUBCASES_WITHOUT; do
		[[ " $* " != *" $word "* ]] || { printf 'left out\t%s\n' "$*" >> "$SUBCASES"; return 0; }
	done
	("$@") || subcase_status=$?
	printf '%d\t%s\n' $subcase_status "$*" >> "$SUBCASES"
	return $subcase_status
}
