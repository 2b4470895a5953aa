# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by the tests themselves, in the guest.  They start sub-cases in the background and look
# at no status, so that PASS says nothing of these: each gets a line in $SUBCASES, its status and
# its command, with a tab.  One with an argument in $SUBCASES_WITHOUT is left out, and says so.

subcase_ios=100

# subcase COMMAND...: a shell of its own, as the command may end it
subcase()
{
	local subcase_status=0 subcase_waits=y word
	for word in $SUBCASES_WITHOUT; do
		[[ " $* " != *" $word "* ]] || { printf 'left out\t%s\n' "$*" >> "$SUBCASES"; return 0; }
	done
	("$@") || subcase_status=$?
	printf '%d\t%s\n' $subcase_status "$*" >> "$SUBCASES"
	return $subcase_status
}

# What a late fio finds gone it would create: a file in /dev, of 8 GB.
fio() { command fio --allow_file_create=0 "$@"; }

# subcase_began: so much I/O has reached the device that it is not only the search for partitions
subcase_began()
{
	awk -v ios=$subcase_ios '{ exit !($1 + $5 >= ios) }' "/sys/block/ublkb$1/stat" 2> /dev/null
}

# sleep SECONDS: sub-cases give fio some seconds before they kill and remove.  Emulated that may be
# too few, and nothing is tested: so it lasts until there is I/O.  Whose device it is, is a variable of the caller's.
sleep()
{
	local n
	command sleep "$@"
	[ -n "${subcase_waits:-}" ] && [ -e "/sys/block/ublkb${dev_id:-}/stat" ] || return 0
	subcase_waits=
	for ((n = 0; n < 60; n++)); do
		! subcase_began "$dev_id" || return 0
		command sleep 1
	done
	printf '1\tno I/O has reached ublkb%s\n' "$dev_id" >> "$SUBCASES"
}
