# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# A set is made, used and mounted as srv/systemd/README.md says, and its server goes and comes.

point=/srv/home

main_pid() { systemctl show -P MainPID regbuf@home; }

a_set_is_made() { make_set home "$(disk one)" "$(disk two)"; }
the_unit_starts_it() { start_set home; }

a_file_system_is_mounted_by_uuid() { put_file_system home $point; }

it_has_links_by_name()
{
	local uuid
	uuid=$(regbuf mirror status home | awk '{ print $3; exit }')
	udevadm settle
	ls -l /dev/disk/by-id
	[ "$(realpath /dev/disk/by-id/regbuf-home)" = "$(device home)" ] && [ "$(realpath "/dev/disk/by-id/regbuf-uuid-$uuid")" = "$(device home)" ]
}

data_is_written() { write_file $point/first 32 && remember $point/first; }

another_serves() { systemctl is-active --quiet regbuf@home && [ "$(main_pid)" != "$1" ]; }
mounted_since() { systemctl show -P ActiveEnterTimestampMonotonic srv-home.mount; }

kill_server() { systemctl kill --signal=KILL --kill-whom=main regbuf@home; }
restart_server() { systemctl restart regbuf@home; }

# is_replaced COMMAND: by which the server goes; another one serves the same device, which stays mounted
is_replaced()
{
	local before mounted node
	before=$(main_pid) mounted=$(mounted_since) node=$(device home)
	"$1" || return
	until_true another_serves "$before" || return
	[ "$(device home)" = "$node" ] || { echo "$(device home), not $node"; return 1; }
	[ "$(mounted_since)" = "$mounted" ] || { echo 'it was mounted anew'; return 1; }
	mountpoint -q $point
}

# is_a_pause COMMAND FILE: for who writes FILE meanwhile, and hears nothing
is_a_pause()
{
	local writer
	write_file "$2" 128 > /tmp/write.log &
	writer=$!
	sleep 1
	kill -0 $writer || { echo 'it has been written already'; return 1; }
	is_replaced "$1" || return
	wait $writer || { cat /tmp/write.log; return 1; }
	remember "$2"
	all_is_read_again && regbuf mirror status home
}

a_crash_is_a_pause() { is_a_pause kill_server $point/second; }
a_restart_is_a_pause() { is_a_pause restart_server $point/fourth; }

# With nobody who has a file open, and pages that are not written yet.
a_crash_unmounts_nothing()
{
	dd if=/dev/urandom of=$point/third bs=64k count=64 2>&1 || return
	is_replaced kill_server || return
	sync
	remember $point/third
	all_is_read_again
}

# What systemd says of the server, and what the monitor has said.
a_mode_is_told() { systemctl show -P StatusText regbuf@home | tee /dev/stderr | grep "in mode $(setting mode)\$"; }
monitor_said() { journalctl -q -o cat -u regbuf-monitor | grep -E "$1"; }
the_monitor_tells_of_a_set()
{
	systemctl enable --now regbuf-monitor || return
	restart_server || return
	until_true monitor_said home || { journalctl -u regbuf-monitor; return 1; }
}

# As node_exporter finds it.
counters_are_written_for_prometheus()
{
	local dir=/var/lib/prometheus/node-exporter
	mkdir -p $dir && systemctl start regbuf-stat.service || return
	write_file $point/counted 1 && remember $point/counted && systemctl start regbuf-stat.service || return
	ls -la $dir
	awk '/^regbuf_bytes_total{device="ublkb[0-9]+",name="home",op="write"}/ { found = $2 } END { print found; exit found < 1048576 }' $dir/regbuf.prom || return
	rm -r /var/lib/prometheus
}

# The new program serves, and nobody has noticed.
upgrade() { dpkg -i /var/lib/proof/regbuf.deb; }
an_upgrade_is_a_pause() { is_a_pause upgrade $point/fifth && ! regbuf list | grep 'replaced since'; }

# Its device could not be served again.
an_upgrade_leaves_a_server_without_recovery()
{
	local before
	printf '%s\n' add 'type null' > /etc/regbuf/other.conf
	systemctl start regbuf@other || return
	before=$(systemctl show -P MainPID regbuf@other)
	upgrade | tee /dev/stderr | grep 'regbuf@other.service goes on as the program before' || return
	[ "$(systemctl show -P MainPID regbuf@other)" = "$before" ] || { echo 'it has another server'; return 1; }
	regbuf list | tee /dev/stderr | grep 'replaced since' || return
	systemctl stop regbuf@other && rm /etc/regbuf/other.conf
}

check the_kernel_has_the_mode
check a_set_is_made
check the_unit_starts_it
check a_mode_is_told
check a_file_system_is_mounted_by_uuid
check it_has_links_by_name
check data_is_written
check a_crash_is_a_pause
check a_crash_unmounts_nothing
check a_restart_is_a_pause
check the_monitor_tells_of_a_set
check counters_are_written_for_prometheus
check an_upgrade_is_a_pause
check an_upgrade_leaves_a_server_without_recovery
