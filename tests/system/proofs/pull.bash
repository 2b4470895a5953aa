# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Disks are pulled from a set that is written to: QEMU takes them from their PCI slots.

point=/srv/home

# ask pull|insert NAME: QEMU, by way of ./run
ask()
{
	echo "# ask: $1 $2" >&3
	case $1 in
	pull) until_true test ! -e "$(disk "$2")" ;;
	insert) until_true test -b "$(disk "$2")" ;;
	esac
}

monitor_said() { journalctl -q -o cat -u regbuf-monitor | grep -E "$1"; }
# is_out NAME: of the set
is_out() { ! regbuf mirror status home | grep -F "$(disk "$1")"; }
is_degraded() { regbuf mirror status home | tee /dev/stderr | grep -q degraded; }

a_set_is_mounted()
{
	make_set home "$(disk one)" "$(disk two)" && start_set home && systemctl start regbuf-monitor || return
	mkfs.ext4 -q -F "$(device home)" && mkdir -p $point && mount "$(device home)" $point
	write_file $point/first 32 && remember $point/first
}

# is_pulled NAME FILE: while FILE is written, by who hears nothing
is_pulled()
{
	local writer status=0
	write_file "$2" 192 > /tmp/write.log &
	writer=$!
	sleep 1
	ask pull "$1" || return
	kill -0 $writer || { echo 'it has been written already'; return 1; }
	wait $writer || { cat /tmp/write.log; return 1; }
	remember "$2"
	regbuf mirror status home || status=$?
	[ $status = 1 ] || { echo "status $status"; return 1; }
	is_degraded || return
	until_true monitor_said "leg-failed +home .*/virtio-$1" || { journalctl -q -u regbuf-monitor; return 1; }
	! dmesg | grep -E 'EXT4-fs error|JBD2.*error|Buffer I/O error on dev ublkb' || return
	all_is_read_again
}

a_disk_that_is_pulled_fails_no_write() { is_pulled one $point/second; }

another_disk_takes_its_place()
{
	ask insert five || return
	regbuf mirror replace home -l "$(disk one)" -w "$(disk five)" --wait || return
	regbuf mirror status home | tee /dev/stderr | grep "$(disk five) *in-sync" && until_true is_out one
}

the_monitor_tells_that_it_is_whole() { until_true monitor_said 'leg-in-sync +home .*/virtio-five' && until_true monitor_said 'whole +home'; }
legs_of_the_set_are_equal() { legs_are_equal home && all_is_read_again; }

another_one_is_pulled() { is_pulled two $point/third; }
it_is_put_back()
{
	ask insert two || return
	regbuf mirror add home -l "$(disk two)" --wait && legs_are_equal home && all_is_read_again
}

it_stops()
{
	umount $point || return
	printf '%s\n' 'mirror assemble home' "leg $(disk five)" "leg $(disk two)" recovery reissue > /etc/regbuf/home.conf
	stop_set home && cmp -i 1M -n 510M "$(disk five)" "$(disk two)"
}

it_starts_with_the_legs_that_it_has_now() { start_set home && mount "$(device home)" $point && all_is_read_again && umount $point && stop_set home; }

check a_set_is_mounted
check a_disk_that_is_pulled_fails_no_write
check another_disk_takes_its_place
check the_monitor_tells_that_it_is_whole
check legs_of_the_set_are_equal
check another_one_is_pulled
check it_is_put_back
check it_stops
check it_starts_with_the_legs_that_it_has_now
