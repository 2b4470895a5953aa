# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Copy against register, on loop and mirror, in rounds that alternate: throughput, and
# the CPU of server and client.  Sourced by experiments/demo/guest.

# shellcheck disable=SC2154 # RESULTS and work are of the script that sources this

measure_bs='4k 64k 512k'
measure_rw='write read'
measure_disk0='regbuf-demo0'
measure_disk1='regbuf-demo1'
measure_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

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

# Medians, least and most of each cell's rounds; medians.awk has a column for legs too
measure_summary()
{
	awk 'BEGIN { FS = OFS = "," } { $1 = $1 "," (NR == 1 ? "legs" : $1 == "loop" ? 1 : 2); print }' "$RESULTS/demo-raw.csv" |
		awk -f "$measure_dir/../../perf-scripts/medians.awk" > "$RESULTS/demo.csv"
}

measure_table()
{
	printf '\nLinux %s, %s, %d CPUs, %s, %s\n' "$(uname -r)" "${REGBUF_ACCEL:-hardware}" "$(nproc)" "$(fio --version)" "$(date +%F)"
	printf 'one queue, random, depth 32, on null_blk; medians of %d rounds of %d s; CPU in %% of one processor\n' "$1" "$2"
	printf 'alike: rounds of the two overlap, and say nothing of which is faster\n'
	[ "${REGBUF_ACCEL:-}" != tcg ] || printf 'emulated: how long it takes says little, least of all at 4k; make cost counts instructions\n'
	echo
	awk -F, 'NR > 1 { k = $1 "," $4 "," $5; v[k "," $3] = $7; lo[k "," $3] = $8; hi[k "," $3] = $9; s[k "," $3] = $10; c[k "," $3] = $13; if (!(k in seen)) { seen[k] = 1; order[++n] = k } }
	END {
		printf "%-7s %-5s %-6s %22s %9s %20s %20s\n", "", "", "", "MiB/s", "", "server CPU", "client CPU"
		printf "%-7s %-5s %-6s %10s %11s %9s %9s %10s %9s %10s\n", "target", "size", "", "copy", "register", "ratio", "copy", "register", "copy", "register"
		for (i = 1; i <= n; i++) {
			k = order[i]; split(k, p, ",")
			a = v[k ",copy"]; b = v[k ",register"]
			alike = lo[k ",copy"] <= hi[k ",register"] && lo[k ",register"] <= hi[k ",copy"]
			printf "%-7s %-5s %-6s %10.0f %11.0f %9s %9.0f %10.0f %9.0f %10.0f\n", p[1], p[2], p[3], a, b, alike ? "alike" : sprintf("x %.2f", b / a), s[k ",copy"], s[k ",register"], c[k ",copy"], c[k ",register"]
		}
	}' "$RESULTS/demo.csv"
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
	measure_summary && measure_table "$1" "$2" > "$RESULTS/table"
}
