# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The boot after install.bash: all is there again, and goes.

point=/srv/home

it_is_mounted_after_a_boot() { is_there_after_a_boot home $point; }
it_has_its_link() { udevadm settle && [ "$(realpath /dev/disk/by-id/regbuf-home)" = "$(device home)" ]; }
legs_are_whole() { regbuf mirror status home; }

says_why() { systemctl show -P StatusText regbuf@home | grep "is mounted at $point"; }

# By whom it is told not to wait, the journal says.
a_stop_waits_for_the_mount()
{
	local node job
	node=$(device home)
	systemctl stop regbuf@home &
	job=$!
	until_true says_why || return
	write_file $point/late 1 && remember $point/late && all_is_read_again || return
	systemctl stop srv-home.mount || return
	wait $job || return
	until_true is_gone "$node" || return
	systemctl start regbuf@home srv-home.mount && all_is_read_again
}

the_unit_stops_it() { systemctl stop srv-home.mount && stop_set home && sed -i "\\|$point|d" /etc/fstab; }

a_stopped_set_is_whole()
{
	regbuf mirror examine "$(disk one)" "$(disk two)"
	regbuf mirror assemble home --dry-run --json | tee /dev/stderr | grep '"verdict": "serve"'
}

the_package_leaves_nothing()
{
	rm -f /etc/regbuf/home.conf
	dpkg -P regbuf || return
	! dpkg-query -W -f '${Status}' regbuf 2> /dev/null | grep -v not-installed || return
	find / /run -xdev -path /var/lib/proof -prune -o -path /var/log -prune -o -path /proc -prune -o -name '*regbuf*' -print |
		# kernels of ours are called so, too
		grep -vF -f <(ls /lib/modules) | tee /tmp/left
	[ ! -s /tmp/left ]
}

check it_is_mounted_after_a_boot
check it_has_its_link
check legs_are_whole
check the_shutdown_was_clean
check a_stop_waits_for_the_mount
check the_unit_stops_it
check a_stopped_set_is_whole
check the_package_leaves_nothing
