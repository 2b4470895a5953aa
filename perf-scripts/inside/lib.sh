# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What the measurements do in the guest: the disks, the server or a peer of it, the client.

regbuf=${REGBUF_BUILD:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/build}/regbuf
pace=${PACE:-auto}
# for files; the rest of the program uses it
# shellcheck disable=SC2034
work=$(mktemp -d)

die() { printf '%s: error: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# A figure of a debug kernel is none.
check_release()
{
	if zcat /proc/config.gz | grep -E '^CONFIG_(KASAN|PROVE_LOCKING|SLUB_DEBUG_ON)=y'; then
		die 'this is a debug kernel'
	fi
}

# One of a clock that is not the instruction counter is none of instructions.
check_counts()
{
	[ "${REGBUF_ACCEL:-}" = icount ] || die "the guest runs with ${REGBUF_ACCEL:-?}; instructions are counted with --icount only"
	check_release
}

# null_disk N [ATTRIBUTE=VALUE...]: null_blk with its defaults, no memory behind it.  With DELAY_US each request takes so
# long; with TAGS it takes so many at once, with DISK_KIB so much with one request.
null_disk()
{
	local dir=/sys/kernel/config/nullb/nullb$1 more
	[ ! -d "$dir" ] || return 0
	mkdir "$dir"
	for more in "${@:2}"; do echo "${more#*=}" > "$dir/${more%%=*}"; done
	if [ "${DELAY_US:-0}" != 0 ]; then
		echo 2 > "$dir/irqmode"
		echo $((DELAY_US * 1000)) > "$dir/completion_nsec"
	fi
	[ "${TAGS:-0}" = 0 ] || echo "$TAGS" > "$dir/hw_queue_depth"
	[ "${DISK_KIB:-0}" = 0 ] || echo $((DISK_KIB * 2)) > "$dir/max_sectors"
	echo 1 > "$dir/power"
	[ -b "/dev/nullb$1" ] || die "there is no /dev/nullb$1"
}

# legs N: so many disks, the first of which is number $first_leg.  Who serves several devices at once moves it on:
# a leg belongs to one server.
first_leg=0
legs()
{
	local i
	for ((i = first_leg; i < first_leg + $1; i++)); do
		null_disk $i
		echo "/dev/nullb$i"
	done
}

# NBD over a unix socket, by one nbdkit: of the disk, or of nothing
serve_nbd()
{
	local backend=(null size=250G)
	[ "$1" = 0 ] || backend=(file "$(legs 1)")
	nbdkit --pidfile "$work/nbdkit.pid" --unix "$work/nbd.sock" "${backend[@]}" > "$work/nbdkit.log" 2>&1 || { cat "$work/nbdkit.log" >&2; return 1; }
	nbd-client -unix "$work/nbd.sock" /dev/nbd0 > "$work/nbd.log" 2>&1 || { cat "$work/nbd.log" >&2; return 1; }
	echo /dev/nbd0
}

# It leaves its socket behind, where the next one cannot listen.
stop_nbdkit()
{
	kill "$1"
	tail --pid="$1" -f /dev/null
	rm -f "$work/nbd.sock"
}

# Without metadata, which null_blk would not keep; and so without a bitmap
serve_md()
{
	local disks=()
	mapfile -t disks < <(legs "$1")
	mdadm --build /dev/md0 --level=1 --raid-devices="$1" --assume-clean --run "${disks[@]}" > "$work/md.log" 2>&1 ||
		{ cat "$work/md.log" >&2; return 1; }
	echo /dev/md0
}

serve_regbuf()
{
	local leg args=()
	for leg in $(legs "$2"); do args+=(--leg "$leg"); done
	"$regbuf" add -t "$1" -m "$3" --pace "$pace" "${args[@]}"
}

# kept_legs N: disks whose first 2 MiB keep what is written, for the record of a set or of md; the
# rest is a null_blk as above.  KEPT_MIB in all: 1 GiB, so that a run can set all bits of a bitmap first.
kept_legs()
{
	local i
	for ((i = first_leg; i < first_leg + $1; i++)); do
		null_disk $i
		null_disk $((100 + i)) memory_backed=1 size=2
		[ -b "/dev/mapper/kept$i" ] || dmsetup create "kept$i" --noudevsync --table \
			"0 4096 linear /dev/nullb$((100 + i)) 0
			4096 $((${KEPT_MIB:-1024} * 2048 - 4096)) linear /dev/nullb$i 4096" || die "dmsetup failed"
		echo "/dev/mapper/kept$i"
	done
}

# With its metadata at the begin, and a bitmap in there
serve_md_bitmap()
{
	local disks=()
	mapfile -t disks < <(kept_legs "$1")
	mdadm --create /dev/md1 --level=1 --raid-devices="$1" --metadata=1.2 --bitmap=internal --assume-clean --run "${disks[@]}" \
		> "$work/md.log" 2>&1 || { cat "$work/md.log" >&2; return 1; }
	echo /dev/md1
}

# serve_kept TARGET LEGS MODE: a mirror on the same legs, with a record and without
serve_kept()
{
	local leg args=()
	for leg in $(kept_legs "$2"); do args+=(--leg "$leg"); done
	case $1 in
	set) "$regbuf" mirror create cost --assume-clean --force -m "$3" --pace "$pace" "${args[@]}" ;;
	plain) "$regbuf" add -t mirror -m "$3" --pace "$pace" "${args[@]}" ;;
	esac
}

# serve TARGET LEGS MODE: prints the device
serve()
{
	case $1 in
	raw) legs 1 ;;
	kloop) losetup --find --show --direct-io=on "$(legs 1)" ;;
	md) serve_md "$2" ;;
	md-bitmap) serve_md_bitmap "$2" ;;
	nbd) serve_nbd "$2" ;;
	set | plain) serve_kept "$@" ;;
	*) serve_regbuf "$@" ;;
	esac
}

# unserve TARGET DEVICE
unserve()
{
	case $1 in
	raw) ;;
	kloop) losetup -d "$2" ;;
	md | md-bitmap) mdadm --stop --quiet "$2" ;;
	nbd)
		nbd-client -d "$2" > /dev/null
		stop_nbdkit "$(cat "$work/nbdkit.pid")" ;;
	*) "$regbuf" del -a ;;
	esac
}

# fio_client DEVICE BS RW [OPTION...]: becomes fio, so that a job in the background is fio.  DEPTH is its queue's, of
# which BATCH are submitted at once.
fio_client()
{
	local batch=()
	[ -z "${BATCH:-}" ] || batch=(--iodepth_batch_submit="$BATCH" --iodepth_batch_complete_min="$BATCH")
	exec fio --name=client --filename="$1" --bs="$2" --rw="rand$3" --size=100% --io_size=1T \
		--ioengine=io_uring --direct=1 --fixedbufs=1 --registerfiles=1 --iodepth="${DEPTH:-32}" "${batch[@]}" --norandommap=1 --randrepeat=1 "${@:4}"
}

# begins STAT PID: the client takes a while to start
begins()
{
	local before
	before=$(ios "$1")
	while [ "$(ios "$1")" -lt $((before + 1000)) ]; do
		kill -0 "$2" 2> /dev/null || { cat "$work/fio.log" >&2; die 'fio failed'; }
		sleep 0.1
	done
}

ios() { awk '{ print $1 + $5 }' "$1"; }

# keep_busy DEVICE BS RW: the client is at work on the device, until let_go
keep_busy()
{
	fio_client "$1" "$2" "$3" --runtime=3600 --time_based --thread > "$work/fio.log" 2>&1 &
	client=$!
	begins "$(stat_of "$1")" "$client"
}

let_go()
{
	kill -TERM "$client" || { cat "$work/fio.log" >&2; die 'fio has ended'; }
	wait "$client" || true
}

stat_of() { echo "/sys/block/${1##*/}/stat"; }

# looked_at DEVICE BS RW SECONDS PERF...: perf runs so long while the client keeps the device busy; prints how many
# I/Os that has done between two looks, at the beginning and at the end
looked_at()
{
	local client
	keep_busy "$1" "$2" "$3"
	# shellcheck disable=SC2016 # for the shell that perf starts
	"${@:5}" -- sh -c 'cat "$0"; sleep "$1"; cat "$0"' "$(stat_of "$1")" "$4" > "$work/stat" 2> "$work/perf.log" ||
		{ cat "$work/perf.log" >&2; die 'perf failed'; }
	let_go
	awk '{ n[NR] = $1 + $5 } END { print n[2] - n[1] }' "$work/stat"
}

# sampled DEVICE BS RW SECONDS PERF-OPTION...: the same, with perf.data of all processors
sampled() { looked_at "$1" "$2" "$3" "$4" perf record --quiet -a -o "$work/perf.data" "${@:5}"; }
