# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The kernels that the guest knows by name: ours, Debian's, and a later one that ours is compared with.

own_kernels=(release kasan lockdep nofused)
debian_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/debian

# debian_row NAME: its line of debian/kernels
debian_row() { awk -v name="$1" '$1 == name' "$debian_dir/kernels"; }

mapfile -t debian_kernels < <(awk '!/^#/ && NF { print $1 }' "$debian_dir/kernels")

# both, for messages
kernel_names=$(printf ', %s' "${own_kernels[@]}" "${debian_kernels[@]}")
kernel_names=${kernel_names#, }

# no test runs on that one
later_kernel=mainline

is_debian() { [[ " ${debian_kernels[*]} " = *" $1 "* ]]; }
is_kernel() { [[ " ${own_kernels[*]} " = *" $1 "* ]] || is_debian "$1"; }

is_guest_kernel() { is_kernel "$1" || [ "$1" = "$later_kernel" ]; }

# kernel_maker NAME: the command that makes it
kernel_maker()
{
	if is_debian "$1"; then
		echo "tests/vm/debian-kernel $1"
	elif [ "$1" = "$later_kernel" ]; then
		echo tests/compat/mainline
	else
		echo "kernel/tree.sh build $1"
	fi
}
