# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Debian's kernel runs, and ours is installed, from a repository.

no_kernel_of_ours_is_there() { ! find /boot -name '*regbuf*' | grep .; }

our_kernel_is_installed_by_apt()
{
	install_kernel_from kernels && ls /boot/vmlinuz-*regbuf* /boot/initrd.img-*regbuf*
}

check a_home_is_made
check no_kernel_of_ours_is_there
check our_kernel_is_installed_by_apt
