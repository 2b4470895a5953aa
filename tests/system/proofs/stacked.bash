# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The boot after stacks.bash.

all_is_mounted_after_a_boot() { until_true mountpoint -q /srv/shop && until_true mountpoint -q /srv/below; }
legs_are_whole() { legs_are_equal top && legs_are_equal below; }

all_goes()
{
	systemctl stop srv-shop.mount srv-below.mount && vgchange -q -a n shop && stop_set top below && vgchange -q -a n cellar || return
	no_device_is_left || return
	[ "$(dmsetup ls)" = 'No devices found' ] || { dmsetup ls; return 1; }
}

# same DISK DISK: what a set's record leaves to data, read without regbuf
same() { cmp -i 1M -n 510M "$1" "$2"; }
legs_have_the_same_bytes() { same "$(disk one)" "$(disk two)" && vgchange -q -a y cellar && cmp -i 1M -n 398M /dev/cellar/data "$(disk four)-part1" && vgchange -q -a n cellar; }

check all_is_mounted_after_a_boot
check the_shutdown_was_clean
check all_is_read_again
check legs_are_whole
check all_goes
check legs_have_the_same_bytes
