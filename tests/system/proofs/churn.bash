# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Devices come and go, many times, while udev looks at each.

rounds=$(setting rounds)
writes=$(setting writes)
# MiB that may be missing afterwards: of memory, and of what the kernel has taken for good
bound=64
bound_slab=16

# round LEG COMMAND [ARG...]: add, the command with the node, behind $to if that is set, del; what is wrong is told
round()
{
	local leg=$1 node inode
	shift
	node=$(timeout 120 regbuf add -t loop -l "$leg" -d 16) || { echo "add: status $?"; return 1; }
	inode=$(stat -c %i "$node") || return
	timeout 120 "$@" "${to-}$node" || { echo "$1 $node: status $?"; return 1; }
	timeout 120 regbuf del -n "${node#/dev/ublkb}" || { echo "del $node: status $?"; return 1; }
	# others may have a device of this number by now
	[ "$(stat -c %i "$node" 2> /dev/null)" != "$inode" ] || { echo "$node is there after del"; return 1; }
}

# churn LEG COUNT COMMAND [ARG...]: ends with the first round that fails
churn()
{
	local leg=$1 count=$2 i
	shift 2
	for ((i = 1; i <= count; i++)); do
		round "$leg" "$@" > "/tmp/round.${leg##*-}" 2>&1 || { echo "$leg: round $i of $count:"; cat "/tmp/round.${leg##*-}"; return 1; }
	done
}

# MiB: what is available, and what the kernel has and cannot give back
memory()
{
	sync
	echo 3 > /proc/sys/vm/drop_caches
	awk '{ of[$1] = $2 } END { print int(of["MemAvailable:"] / 1024), int((of["SUnreclaim:"] + of["KernelStack:"] + of["PageTables:"] + of["Percpu:"]) / 1024) }' /proc/meminfo
}

# memory_is_back BEFORE SLAB_BEFORE: within bounds, after what the kernel does later
memory_is_back()
{
	local now slab
	read -r now slab < <(memory)
	[ $(($1 - now)) -le $bound ] && [ $((slab - $2)) -le $bound_slab ]
}

nothing_is_left()
{
	no_device_is_left && ! find /run/udev/data -name 'b*' -exec grep -l ublk {} + | grep .
}

# counted NAME COUNT COMMAND...: which leaves nothing, and takes no memory
counted()
{
	local title=$1 count=$2 before slab began=$SECONDS
	shift 2
	read -r before slab < <(memory)
	"$@" || return
	echo "# $title: $count rounds in $((SECONDS - began)) s; memory in MiB, available and taken: before $before $slab, after $(memory)" >&3
	udevadm settle --timeout=120 || return
	until_true nothing_is_left || { regbuf list; ls /dev/ublk* /dev/disk/*; return 1; }
	until_true memory_is_back "$before" "$slab" || { echo "MiB available and taken: before $before $slab, after $(memory)"; return 1; }
	! dmesg | grep -E 'BUG|WARNING:|blocked for more than|Call Trace'
}

file_systems() { churn "$(disk one)" "$1" mkfs.ext4 -q -F; }
by_four_at_once()
{
	local name pids=() status=0 to=of=
	for name in one two three four; do
		churn "$(disk $name)" $(($1 / 4)) dd if=/tmp/data bs=64k oflag=direct status=none &
		pids+=($!)
	done
	for name in "${pids[@]}"; do wait "$name" || status=1; done
	return $status
}

devices_with_file_systems_come_and_go() { counted 'add, mkfs, del' "$rounds" file_systems "$rounds"; }
devices_come_and_go_by_four_at_once() { counted 'add, write, del' "$writes" by_four_at_once "$writes"; }

# what comes once, as modules and caches do
modprobe ublk_drv
head -c 1M /dev/urandom > /tmp/data
file_systems 3 && by_four_at_once 8
check devices_with_file_systems_come_and_go
check devices_come_and_go_by_four_at_once
