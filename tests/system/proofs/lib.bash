# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What the proofs share.

# setting NAME: of ./run's
setting() { sed -n "s/.* proof\.$1=\([^ ]*\).*/\1/p" /proc/cmdline; }

# check FUNCTION [ARG...]: whose failure is told with what it printed
check()
{
	local out line
	if out=$("$@" 2>&1); then
		echo "ok - $*"
	else
		echo "not ok - $*"
		while read -r line; do echo "# $line"; done <<< "${out:-no word}"
	fi
}

# until_true COMMAND...: within two minutes, of a machine that is emulated
until_true()
{
	local until=$((SECONDS + 120))
	while ! "$@"; do
		[ $SECONDS -lt $until ] || { echo "not within two minutes: $*"; return 1; }
		sleep 0.5
	done
}

# disk NAME: one of ./run's
disk() { echo "/dev/disk/by-id/virtio-$1"; }

# device SET
device() { echo "/dev/ublkb$(cut -d' ' -f1 "/run/regbuf/$1.device")"; }

the_kernel_has_the_mode()
{
	local mode
	mode=$(setting mode)
	modprobe ublk_drv && regbuf features | tee /dev/stderr | grep -E "^ *$mode +yes"
}

# make_set SET LEG...: and its file
make_set()
{
	local name=$1 leg args=()
	shift
	for leg; do args+=(--leg "$leg"); done
	regbuf mirror create "$name" "${args[@]}" --assume-clean --no-start || return
	{
		echo "mirror assemble $name"
		for leg; do echo "leg $leg"; done
		printf '%s\n' recovery reissue
	} > "/etc/regbuf/$name.conf"
	regbuf check-config "$name"
}

# start_set SET: at each boot too
start_set()
{
	systemctl enable --now "regbuf@$1" || { systemctl status --no-pager "regbuf@$1"; return 1; }
	[ -b "$(device "$1")" ] || { echo "no device $(device "$1")"; return 1; }
	regbuf mirror status "$1"
}

# no_device_is_left: nor its nodes and links
no_device_is_left()
{
	[ -z "$(regbuf list)" ] && ! find /sys/class/ublk-char /dev -name 'ublk[bc]*' 2> /dev/null | grep . && ! find /dev/disk -lname '*/ublkb*' | grep .
}

# links_to NODE: in /dev/disk
links_to() { find /dev/disk -lname "*/${1##*/}" | grep .; }
is_gone() { [ ! -e "$1" ] && ! regbuf list -n "${1#/dev/ublkb}" 2> /dev/null && ! links_to "$1"; }

# stop_set SET...: one after the other; nothing of them is left
stop_set()
{
	local name node
	for name; do
		node=$(device "$name")
		systemctl disable --now "regbuf@$name" || return
		until_true is_gone "$node" || { regbuf list; links_to "$node"; return 1; }
	done
}

# write_file FILE MIB
write_file() { dd if=/dev/urandom of="$1" bs=64k count=$(($2 * 16)) conv=fsync 2>&1; }
sums=/var/lib/proof/sums
remember() { sha256sum "$@" >> $sums; }
# all_is_read_again: from the disks
all_is_read_again() { sync && echo 3 > /proc/sys/vm/drop_caches && sha256sum --quiet -c $sums; }

# legs_are_equal SET
legs_are_equal() { regbuf mirror check "$1" --wait && regbuf mirror status "$1"; }

# in_fstab UUID POINT TYPE SET
in_fstab()
{
	mkdir -p "$2"
	echo "UUID=$1 $2 $3 x-systemd.after=regbuf@$4.service,x-systemd.device-timeout=300,nofail 0 2" >> /etc/fstab
	systemctl daemon-reload
}

# What the kernel said when it was shut down with all mounted.
the_shutdown_was_clean()
{
	local said
	journalctl -b -1 -k > /tmp/said || return
	grep -q 'EXT4-fs.*mounted' /tmp/said || { echo 'the journal has nothing of the boot before'; return 1; }
	said=$(grep -E 'JBD2|I/O error|EXT4-fs.*(error|warning)' /tmp/said)
	[ -z "$said" ] || { echo "$said"; return 1; }
	# what came after the journal's end is seen in what is left
	said=$(dmesg | grep -E 'recovery complete|orphan')
	[ -z "$said" ] || { echo "$said"; return 1; }
}

# put_file_system SET POINT: ext4, in /etc/fstab by its UUID, and mounted
put_file_system()
{
	local uuid unit
	mkfs.ext4 -q "$(device "$1")" || return
	uuid=$(blkid -s UUID -o value "$(device "$1")")
	in_fstab "$uuid" "$2" ext4 "$1"
	until_true test -b "/dev/disk/by-uuid/$uuid" || return
	unit=$(systemd-escape --path --suffix=mount "$2")
	systemctl start "$unit" && mountpoint "$2"
}

# is_there_after_a_boot SET POINT
is_there_after_a_boot() { until_true mountpoint -q "$2" && systemctl is-active "regbuf@$1" && all_is_read_again; }

# What the boots of proof `kernel` share.
a_home_is_made()
{
	make_set home "$(disk one)" "$(disk two)" && start_set home && put_file_system home /srv/home &&
		write_file /srv/home/first 16 && remember /srv/home/first
}

home_is_there_after_a_boot() { is_there_after_a_boot home /srv/home; }
our_kernel_runs() { uname -r | tee /dev/stderr | grep regbuf; }
version_of_kernel() { dpkg-query -W -f '${Version}\n' "linux-image-$(uname -r)"; }

# install_kernel_from REPOSITORY: of ./run's
install_kernel_from()
{
	local only=(-o Dir::Etc::sourcelist=sources.list.d/proof.list -o Dir::Etc::sourceparts=-)
	export DEBIAN_FRONTEND=noninteractive
	echo "deb [trusted=yes] file:/var/lib/proof/$1 ./" > /etc/apt/sources.list.d/proof.list
	apt-get -q -y "${only[@]}" update && apt-get -q -y "${only[@]}" install linux-image-regbuf
}
