# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Debian's kernels: which one the archive has, what of its packages is taken, and the initramfs.
# Goes with the private apt of tests/compat/lib/apt.sh.

# debian_key VERSION: over all that goes into a kernel
debian_key()
{
	{ echo "$1"; cat "$debian_dir/modules" "$debian_dir/init" "$debian_dir/lib.sh"; } | sha256sum | cut -c 1-24
}

# debian_images: `PACKAGE VERSION SUITE` for each kernel that the archive has
debian_images()
{
	private_apt_cache pkgnames linux-image- | xargs -r -n 500 apt-cache -q "${apt_args[@]}" madison |
		sed -n 's,^ *\([^ ]*\) | *\([^ ]*\) | [^ ]* \([^ /]*\)/main amd64 Packages$,\1 \2 \3,p'
}

# debian_candidates SUITES BEGINS: of what stands on standard input, `VERSION PACKAGE`, oldest first; none for clouds,
# which have no 9p, or for real time, and none without a signature
debian_candidates()
{
	awk -v suites=",$1," -v begins="${2#-}" '
		$1 ~ /^linux-image-[0-9][0-9.]*([+]deb[0-9.]+|-[0-9]+)-amd64$/ && index(suites, "," $3 ",") &&
		index($2, begins) == 1 { print $2, $1 }' | sort -uV
}

# debian_choose NAME SUITES BEGINS VERSION: prints `VERSION PACKAGE`; another version only when that is gone
debian_choose()
{
	local candidates chosen
	candidates=$(debian_images | debian_candidates "$2" "$3")
	[ -n "$candidates" ] || die "the archive has no kernel ${3#-}* for amd64 in ${2//,/, }, so there is none for $1"
	chosen=$(awk -v version="$4" '$1 == version' <<< "$candidates")
	if [ -z "$chosen" ]; then
		chosen=$(tail -n 1 <<< "$candidates")
		[ "$4" = newest ] || say "$1: the archive has no $4 any more; taking ${chosen% *}, on which nothing was tried yet"
	fi
	echo "$chosen"
}

# debian_parts PACKAGE VERSION: the packages that it consists of: from 6.19 on kernel and modules have their own
debian_parts()
{
	echo "$1"
	private_apt_cache show "$1=$2" | sed -n 's/^Depends: //p' | tr ',' '\n' |
		sed -n "s/^ *\(linux-[a-z]*-${1#linux-image-}\) (= .*/\1/p"
}

# debian_fetch PACKAGE VERSION DIR: its files in DIR
debian_fetch()
{
	local parts part
	mapfile -t parts < <(debian_parts "$1" "$2" | sed "s/\$/=$2/")
	say "fetching ${parts[*]}"
	mkdir -p "$3"
	private_apt_download "$3/debs" "$3/log" "${parts[@]}" || die "fetching $1 $2 failed"
	for part in "$3"/debs/*.deb; do dpkg-deb -x "$part" "$3" || die "${part##*/} cannot be unpacked"; done
}

# debian_module DIR NAME: the file of a module, in whose name - and _ are the same
debian_module() { find "$1" -name "${2//[-_]/[-_]}.ko*" -print -quit; }

# debian_needs FILE: the names of the modules that a module needs
debian_needs() { tr '\0' '\n' < "$1" | sed -n 's/^depends=//p' | tr ',' '\n'; }

# debian_take DIR NAME OUT: the module, behind those that it needs, in OUT, and its name in OUT/order; once
debian_take()
{
	local file name need
	name=${2//-/_}
	[ ! -f "$3/$name.ko" ] || return 0
	file=$(debian_module "$1" "$name")
	[ -n "$file" ] || return 1
	case $file in
	*.xz) xz -dc "$file" ;;
	*.zst) zstd -qdc "$file" ;;
	*) cat "$file" ;;
	esac > "$3/$name.ko"
	for need in $(debian_needs "$3/$name.ko"); do debian_take "$1" "$need" "$3" || return 1; done
	echo "$name.ko" >> "$3/order"
}

# debian_built_in DIR NAME: is it in the kernel itself?
debian_built_in() { find "$1" -name modules.builtin -exec grep -qE "/${2//[-_]/[-_]}\.ko\$" {} \; -print | grep -q .; }

# debian_modules DIR OUT: those of debian/modules; tells which the kernel does not have
debian_modules()
{
	local name lacks=()
	: > "$2/order"
	while read -r name; do
		debian_take "$1" "$name" "$2" || debian_built_in "$1" "$name" || lacks+=("$name")
	done < <(grep -v '^#' "$debian_dir/modules" | grep .)
	[ ${#lacks[@]} = 0 ] || say "this kernel does not have ${lacks[*]}"
}

# debian_initramfs DIR FILE: not compressed, as emulation is slow at that
debian_initramfs()
{
	local root=$1/initramfs
	mkdir -p "$root"/{bin,modules,proc,root,dev}
	cp /bin/busybox "$root/bin/busybox"
	cp "$debian_dir/init" "$root/init"
	debian_modules "$1" "$root/modules"
	(cd "$root" && find . | busybox cpio -o -H newc 2> /dev/null) > "$2"
}

# debian_install DIR OUT: what the guest boots, of what was unpacked in DIR
debian_install()
{
	local kernel
	kernel=$(find "$1" -name 'vmlinuz*' -type f -print -quit)
	[ -n "$kernel" ] || die "there is no kernel in the packages"
	cp "$kernel" "$2/bzImage"
	debian_initramfs "$1" "$2/initramfs"
	cp "$1/initramfs/modules/order" "$2/"
}
