# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What the measurements do in the guest: the disks, the server, the client.  Sourced by
# cost-guest and where-guest, which set nothing of it.

regbuf=${REGBUF_BUILD:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/build}/regbuf
pace=${PACE:-auto}
# for files; the rest of the program uses it
# shellcheck disable=SC2034
work=$(mktemp -d)

die() { printf '%s: error: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# A figure of a debug kernel, or of a clock that is not the instruction counter, is none.
check_kernel()
{
	[ "${REGBUF_ACCEL:-}" = icount ] || die "the guest runs with ${REGBUF_ACCEL:-?}; instructions are counted with --icount only"
	if zcat /proc/config.gz | grep -E '^CONFIG_(KASAN|PROVE_LOCKING|SLUB_DEBUG_ON)=y'; then
		die 'this is a debug kernel'
	fi
}

# null_blk with its defaults: no memory behind it
null_disks()
{
	local i
	for i in 0 1 2 3; do
		mkdir -p "/sys/kernel/config/nullb/nullb$i"
		echo 1 > "/sys/kernel/config/nullb/nullb$i/power"
		[ -b "/dev/nullb$i" ] || die "there is no /dev/nullb$i"
	done
}

# serve TARGET LEGS MODE: prints the device
serve()
{
	local i args=()
	if [ "$1" = raw ]; then
		echo /dev/nullb0
		return
	fi
	for ((i = 0; i < $2; i++)); do
		args+=(--leg "/dev/nullb$i")
	done
	"$regbuf" add -t "$1" -m "$3" --pace "$pace" "${args[@]}"
}

unserve()
{
	[ "$1" = raw ] || "$regbuf" del -a
}

# fio_client DEVICE BS RW [OPTION...]: becomes fio, so that a job in the background is fio
fio_client()
{
	exec fio --name=client --filename="$1" --bs="$2" --rw="rand$3" --size=100% --io_size=1T \
		--ioengine=io_uring --direct=1 --fixedbufs=1 --registerfiles=1 --iodepth=32 --norandommap=1 --randrepeat=1 "${@:4}"
}
