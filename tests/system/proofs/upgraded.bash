# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The boot after ours.bash, into the kernel that was upgraded.  In the end all of it is removed.

the_later_one_runs() { our_kernel_runs && version_of_kernel | grep '+1$'; }
home_is_stopped() { systemctl stop srv-home.mount && stop_set home && sed -i '\|/srv/home|d' /etc/fstab; }

# Of a kernel that runs its modules, which it has loaded, may be missed: so this comes last.
the_packages_leave_nothing()
{
	rm -f /etc/regbuf/home.conf /etc/apt/sources.list.d/proof.list
	apt-get -q -y purge regbuf '^linux-(image|headers)-.*regbuf' || return
	! dpkg-query -W -f '${Package} ${Status}\n' '*regbuf*' 2> /dev/null | grep -v not-installed || return
	find / /run -xdev -path /var/lib/proof -prune -o -path /var/log -prune -o -path /proc -prune -o -path /sys -prune -o \
		-name '*regbuf*' -print | grep -v '^/var/lib/apt/\|^/var/cache/apt/' | tee /tmp/left
	[ ! -s /tmp/left ]
}

check the_later_one_runs
check home_is_there_after_a_boot
check the_shutdown_was_clean
check home_is_stopped
check the_packages_leave_nothing
