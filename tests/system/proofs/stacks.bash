# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What is put on a set, and what a set is put on.  Volumes stay for the boot of stacked.bash.

point=/mnt
# of ./run's serial line
export LVM_SUPPRESS_FD_WARNINGS=1

# keeps TYPE NODE: a file system there, whose file is the same when it is mounted again
keeps()
{
	local force=-f
	[ "$1" != ext4 ] || force=-F
	"mkfs.$1" -q $force "$2" && mount "$2" $point && write_file $point/file 32 || return
	(cd $point && sha256sum file) > /tmp/sum
	umount $point || return
	sync
	echo 3 > /proc/sys/vm/drop_caches
	mount "$2" $point && (cd $point && sha256sum -c /tmp/sum) && umount $point
}

# nothing_holds SET: neither device-mapper nor a mount
nothing_holds()
{
	local node
	node=$(device "$1")
	udevadm settle
	[ -z "$(ls "/sys/class/block/${node##*/}/holders")" ] || { ls "/sys/class/block/${node##*/}/holders"; return 1; }
	! grep "^$node " /proc/mounts
}

# bears NAME: on_NAME did all it had to, and left the set as it was
bears() { "on_$1" "$(device top)" && nothing_holds top && legs_are_equal top && wipefs -q -a "$(device top)"; }

on_xfs() { keeps xfs "$1"; }
on_btrfs() { keeps btrfs "$1"; }

on_dm_crypt()
{
	local uuid
	echo secret > /tmp/key
	cryptsetup luksFormat -q --pbkdf pbkdf2 --pbkdf-force-iterations 1000 "$1" /tmp/key || return
	uuid=$(cryptsetup luksUUID "$1")
	until_true test -b "/dev/disk/by-uuid/$uuid" || return
	cryptsetup open --key-file /tmp/key "/dev/disk/by-uuid/$uuid" plain || return
	keeps ext4 /dev/mapper/plain || return
	cryptsetup close plain
}

on_partitions()
{
	printf '%s\n' 'label: gpt' 'size=200M' 'size=200M' | sfdisk -q "$1" || return
	until_true test -b /dev/disk/by-id/regbuf-top-part2 || return
	keeps ext4 "${1}p1" && keeps ext4 /dev/disk/by-id/regbuf-top-part2 || return
	sfdisk -q --delete "$1" && until_true test ! -e "${1}p1"
}

# make_volume NODE GROUP MIB: the volume `data` of it
make_volume() { pvcreate -q -ff -y "$1" && vgcreate -q "$2" "$1" && lvcreate -q -y -L "$3M" -n data "$2" && udevadm settle; }

on_lvm()
{
	make_volume "$1" shop 400 && keeps ext4 /dev/shop/data || return
	vgchange -q -a n shop && vgremove -q -y shop && pvremove -q "$1"
}

the_set_is_there() { the_kernel_has_the_mode && make_set top "$(disk one)" "$(disk two)" && start_set top; }

a_volume_is_on_the_set()
{
	make_volume "$(device top)" shop 400 && mkfs.ext4 -q -F /dev/shop/data || return
	in_fstab "$(blkid -s UUID -o value /dev/shop/data)" /srv/shop ext4 top
	systemctl start srv-shop.mount && write_file /srv/shop/file 32 && remember /srv/shop/file
}

a_set_with_a_volume_is_in_use() { ! regbuf mirror stop top 2> /tmp/said && cat /tmp/said && grep 'is in use: .* another device' /tmp/said; }

# As srv/systemd/README.md has it.
volumes_go_before_the_set() { systemctl stop srv-shop.mount && vgchange -q -a n shop && nothing_holds top && stop_set top; }
volumes_come_with_the_set()
{
	start_set top && until_true test -b /dev/shop/data && systemctl start srv-shop.mount || return
	all_is_read_again && legs_are_equal top
}

# The volumes answer with errors.  For LVM they have come already, so it activates none by itself.
a_set_that_went_below_comes_again()
{
	local node
	node=$(device top)
	systemctl stop srv-shop.mount && regbuf del --name top && until_true test ! -e "$node" || return
	! dd if=/dev/shop/data of=/dev/null bs=4k count=1 iflag=direct || return
	dmsetup remove shop-data && start_set top && vgchange -a y shop && systemctl start srv-shop.mount && all_is_read_again
}

the_set_below_is_there()
{
	local leg
	make_volume "$(disk three)" cellar 400 || return
	printf '%s\n' 'label: gpt' 'size=400M' | sfdisk -q "$(disk four)" || return
	leg=$(disk four)-part1
	until_true test -b "$leg" || return
	make_set below /dev/cellar/data "$leg" && start_set below
}

it_is_found_by_its_record()
{
	stop_set below || return
	regbuf mirror assemble below --dry-run | tee /dev/stderr | grep cellar || return
	start_set below
}

it_keeps_a_file()
{
	mkfs.ext4 -q -F "$(device below)" || return
	in_fstab "$(blkid -s UUID -o value "$(device below)")" /srv/below ext4 below
	systemctl start srv-below.mount && write_file /srv/below/file 32 && remember /srv/below/file && all_is_read_again && legs_are_equal below
}

check the_set_is_there
check bears xfs
check bears btrfs
check bears dm_crypt
check bears partitions
check bears lvm
check a_volume_is_on_the_set
check a_set_with_a_volume_is_in_use
check volumes_go_before_the_set
check volumes_come_with_the_set
check a_set_that_went_below_comes_again
check the_set_below_is_there
check it_is_found_by_its_record
check it_keeps_a_file
