# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The boot after kernel.bash: our kernel, with the initrd that was made there.  Then comes a later one.

a_later_kernel_is_installed()
{
	local before
	before=$(stat -c %i /boot/initrd.img-*regbuf*)
	install_kernel_from later || return
	version_of_kernel | tee /dev/stderr | grep '+1$' || return
	[ "$(stat -c %i /boot/initrd.img-*regbuf*)" != "$before" ] || { echo 'it has the initrd of the one before'; return 1; }
}

# Nobody has noticed.
it_is_mounted_still() { mountpoint -q /srv/home && systemctl is-active regbuf@home && all_is_read_again; }

check our_kernel_runs
check the_kernel_has_the_mode
check home_is_there_after_a_boot
check the_shutdown_was_clean
check a_later_kernel_is_installed
check it_is_mounted_still
