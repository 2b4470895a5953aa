# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Copy against register, on loop and mirror, in rounds that alternate: throughput, and
# the CPU of server and client.  Sourced by experiments/demo/prove.

# shellcheck disable=SC2154 # RESULTS and work are of the script that sources this

measure_bs='4k 64k 512k'
measure_rw='write read'
measure_disk0='regbuf-demo0'
measure_disk1='regbuf-demo1'

# A disk that does nothing, so that the path to it is what is measured.
null_disk()
{
	local d=/sys/kernel/config/nullb/$1
	mkdir -p "$d" && echo 4096 > "$d/size" && echo 1 > "$d/power" || return
	[ -b "/dev/$1" ]
}

measure_sweep()
{
	local d
	for d in $measure_disk0 $measure_disk1; do
		d=/sys/kernel/config/nullb/$d
		[ ! -d "$d" ] || { echo 0 > "$d/power"; rmdir "$d"; }
	done
}

# Clock ticks that all threads of process $1 have run: fields 14 and 15, the name has no spaces
run_time() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }

measure_add()
{
	case $1 in
	loop) start -t loop -m "$2" --leg /dev/$measure_disk0 ;;
	mirror) start -t mirror -m "$2" --leg /dev/$measure_disk0 --leg /dev/$measure_disk1 ;;
	esac
}

# measure_cell TARGET MODE BS RW ROUND SECONDS: one line of demo-raw.csv
measure_cell()
{
	local pid before after line
	measure_add "$1" "$2" > "$work/measure.log" || { cat "$work/measure.log"; return 1; }
	pid=$(show --json | sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' | head -n 1)
	before=$(run_time "$pid")
	line=$(fio --name=m --filename="$(dev)" --direct=1 --ioengine=io_uring --fixedbufs=1 --registerfiles=1 \
		--iodepth=32 --norandommap=1 --randrepeat=1 --rw="rand$4" --bs="$3" --time_based --runtime="$6" \
		--output-format=terse --terse-version=3) || return 1
	after=$(run_time "$pid")
	stop || return 1
	[ "$after" -gt "$before" ] || { echo "process $pid, the server, has not run"; return 1; }
	awk -F';' -v id="$1,$2,$3,$4,$5" -v rw="$4" -v s="$(((after - before) * 1000 / $(getconf CLK_TCK)))" '{
		bw = rw == "read" ? $7 : $48; ms = rw == "read" ? $9 : $50
		printf "%s,%.1f,%.1f,%.1f\n", id, bw / 1024, 100 * s / ms, $88 + $89
	}' <<< "$line" >> "$RESULTS/demo-raw.csv"
}

# What the figures belong to: the last file, so that with it the rounds are whole
measure_heading()
{
	printf 'Linux %s, %s, %d CPUs, %s, %s\n' "$(uname -r)" "${REGBUF_ACCEL:-hardware}" "$(nproc)" "$(fio --version)" "$(date +%F)"
	printf 'one queue, random, depth 32, on null_blk; medians of %d rounds of %d s; CPU in %% of one processor\n' "$1" "$2"
	printf 'no difference: rounds of the two overlap, and say nothing of which is faster\n'
	[ "${REGBUF_ACCEL:-}" != tcg ] || printf 'emulated: how long it takes says little, least of all at 4k; make cost counts instructions\n'
}

# measure_all ROUNDS SECONDS
measure_all()
{
	local round target bs rw mode
	null_disk $measure_disk0 && null_disk $measure_disk1 || return 1
	echo 'target,mode,bs,rw,round,mib_s,server_cpu,client_cpu' > "$RESULTS/demo-raw.csv"
	for ((round = 1; round <= $1; round++)); do
		for target in loop mirror; do for bs in $measure_bs; do for rw in $measure_rw; do for mode in copy register; do
			measure_cell $target $mode "$bs" "$rw" "$round" "$2" || { say "measuring $target $mode $bs $rw failed"; return 1; }
		done; done; done; done
		say "round $round of $1 done"
	done
	measure_heading "$1" "$2" > "$RESULTS/heading"
}
