# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The root of ./run: a Debian, its kernels, and the package.  $suite and $root are the caller's.

# What it has beside what debootstrap calls minimal, and what the proofs put on disks.
minimal=systemd-sysv,udev,dbus,kmod,e2fsprogs,initramfs-tools,zstd,bash-completion
tools=(btrfs-progs cryptsetup-bin fdisk lvm2 xfsprogs)

# suite_kernel SUITE: what apt installs there, of the first kernel that regbuf's users would take
suite_kernel()
{
	case $1 in
	trixie) echo -t trixie-backports linux-image-amd64 ;;
	bookworm) echo linux-image-6.12-amd64 ;;
	esac
}

# mode_of PROOF: the one that `best` is on its kernel
mode_of()
{
	if [ -n "$mode" ]; then
		echo "$mode"
		return
	fi
	case $1-$suite-$(kernel_of "$1") in
	kernel-* | *-given) echo handoff ;;
	*-trixie-own) echo auto ;;
	*) echo copy ;;
	esac
}

# in_root COMMAND...: with the mounts that packages want, which end with it
in_root()
{
	# shellcheck disable=SC2016 # expands inside
	unshare --mount --fork sh -c 'mount --bind /dev "$1/dev" && mount -t proc proc "$1/proc" && root=$1 && shift &&
		exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive chroot "$root" "$@"' \
		sh "$root" "$@" < /dev/null
}

# root_install LOG WHAT ARG...: by apt
root_install()
{
	local log=$logs/$1 what=$2
	shift 2
	in_root apt-get -q -y install --no-install-recommends "$@" > "$log" 2>&1 || {
		tail -n 5 "$log" >&2
		die "$suite: $what cannot be installed; see ${log#"$top"/}"
	}
}

make_root()
{
	local main security backports=''
	main=$(apt_archive '')
	security=$(apt_archive -security)
	[ "$suite" != trixie ] || backports="deb $main trixie-backports main"
	rm -rf --one-file-system "$root"
	rm -f "$root.made" "$root".kernel-*
	say "$suite: debootstrap"
	debootstrap --variant=minbase --include="$minimal" --keyring="$apt_keys" "$suite" "$root" "$main" > "$logs/debootstrap.log" 2>&1 || {
		tail -n 5 "$logs/debootstrap.log" >&2
		die 'debootstrap failed'
	}
	printf '%s\n' "deb $main $suite main" "deb $main $suite-updates main" "deb $security $suite-security main" "$backports" > "$root/etc/apt/sources.list"
	touch "$root.made"
}

# kernels_there: version, inode and time of each
kernels_there() { find "$root/boot" -name 'vmlinuz-*' -printf '%f %i %T@\n' | sed 's/^vmlinuz-//' | sort; }
kernel_version() { cat "$root.kernel-$1"; }

# stock_package: the kernel of Debian 13 itself
stock_package()
{
	in_root apt-cache show linux-image-amd64 | awk -F '[ (]+' '/^Version: 6\.12\./ { it = 1 } /^Depends:/ && it { print $2; exit } /^$/ { it = 0 }'
}

# install_kernel own|stock|given: $root.kernel-NAME tells its version
install_kernel()
{
	local args=() deb before after
	[ "$1" = given ] || [ ! -f "$root.kernel-$1" ] || return 0
	say "$suite: kernel $1"
	case $1 in
	own) read -r -a args <<< "$(suite_kernel "$suite")" ;;
	stock) args=("$(stock_package)") ;;
	given)
		mkdir -p "$root/var/lib/proof/kernel"
		cp "${debs[@]}" "$root/var/lib/proof/kernel"
		for deb in "${debs[@]}"; do args+=("/var/lib/proof/kernel/${deb##*/}"); done
		args+=(--reinstall)
		;;
	esac
	before=$(kernels_there)
	root_install "kernel-$1.log" "kernel $1" "${args[@]}"
	after=$(comm -13 <(echo "$before") <(kernels_there) | cut -d ' ' -f 1)
	[ -f "$root/boot/initrd.img-${after:-none}" ] || die "$suite: kernel $1: /boot has no new one with an initrd: '$after'"
	echo "$after" > "$root.kernel-$1"
}

# remove_ours: kernels that another proof had installed
remove_ours()
{
	in_root sh -c "dpkg-query -W -f '\${Package}\n' 'linux-*regbuf*' 2> /dev/null | xargs -r dpkg -P" > "$logs/remove.log" 2>&1 ||
		die "$suite: kernels cannot be removed; see ${logs#"$top"/}/remove.log"
	rm -f "$root.kernel-given"
}

# make_repository NAME SUFFIX: in the root, of the packages given, their versions with SUFFIX
make_repository()
{
	local deb at=$root/var/lib/proof/$1 unpacked=$scratch/unpacked is
	mkdir -p "$at"
	for deb in "${debs[@]}"; do
		rm -rf "$unpacked"
		dpkg-deb --raw-extract "$deb" "$unpacked"
		is=$(dpkg-deb --field "$deb" Version)
		sed -i "s/^Version: .*/&$2/; s/(= ${is//./\\.})/(= $is$2)/" "$unpacked/DEBIAN/control"
		dpkg-deb -Znone --root-owner-group --build "$unpacked" "$at" > /dev/null
	done
	rm -rf "$unpacked"
	(cd "$at" && dpkg-scanpackages --multiversion . > Packages 2> /dev/null)
}

# furnish_root KERNEL [REPOSITORIES]: with that, and with the package, by apt as anybody installs it, and the proofs;
# with a second word the packages given are in repositories, for the system to install
furnish_root()
{
	local deb proof=$root/var/lib/proof
	rm -rf "$proof" "$root"/etc/regbuf/*.conf
	mkdir -p "$proof" "$root/var/log/journal"
	in_root sh -c 'dpkg-query -W "$@"' sh "${tools[@]}" > /dev/null 2>&1 || {
		in_root apt-get -q update > "$logs/update.log" 2>&1 || die "$suite: apt-get update failed; see ${logs#"$top"/}/update.log"
		root_install tools.log 'what the proofs need' "${tools[@]}"
	}
	install_kernel "$1"
	"$top/scripts/deb-server" "$system/deb"
	deb=$(find "$system/deb" -name 'regbuf_*.deb')
	cp "$deb" "$proof/regbuf.deb"
	if [ -n "${2:-}" ]; then
		make_repository kernels ''
		make_repository later +1
	fi
	cp -r "$top"/tests/system/proof{,s} "$proof/"
	cp "$top/tests/system/proof.service" "$root/etc/systemd/system/"
	echo 'LABEL=system / ext4 defaults 0 1' > "$root/etc/fstab"
	echo system > "$root/etc/hostname"
	# nothing that the first boot would have to find out
	touch "$root/etc/.updated" "$root/var/.updated"
	root_install install.log 'the package' --reinstall /var/lib/proof/regbuf.deb
	in_root systemctl enable proof.service 2> /dev/null
}
