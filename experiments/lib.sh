# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What the experiments have in common: measure, keep the figures, plot.  Sourced by each one's run.
#   KEEP=1         put the figures and the plot into the experiment's folder as well, and the tables into the documents
#   COST_CSV=FILE  take instructions from an earlier build/cost.csv instead of counting again

folder=$(cd "$(dirname "$0")" && pwd)
# shellcheck disable=SC2034 # for lib.sh
name=${folder##*/}
top=$(cd "$folder/../.." && pwd)
# shellcheck source=perf-scripts/lib.sh
. "$top/perf-scripts/lib.sh"
# shellcheck disable=SC2034 # lib.sh has it
help_more=$top/experiments/lib.sh
out=$build/experiments/$name

# begin ARGUMENTS: nothing is left of an earlier run, and one at a time in a tree
begin()
{
	help_if_asked "$@"
	[ $# -eq 0 ] || wrong "'$1': there are no arguments; see ${folder#"$top"/}/README.md"
	mkdir -p "$build/experiments"
	exec 8> "$build/experiments/lock"
	flock -n 8 || die "another experiment is under way in $build; wait, or use REGBUF_BUILD=DIR"
	rm -rf "$out"
	mkdir -p "$out"
	"$top/scripts/install-deps"
}

# cost NAME CELL...: instructions per I/O in $out/NAME.csv; variables as perf-scripts/cost takes them
cost()
{
	if [ -n "${COST_CSV:-}" ]; then
		[ -f "$COST_CSV" ] || die "COST_CSV=$COST_CSV: no such file"
		"$top/perf-scripts/report" pick "$COST_CSV" "${@:2}" > "$out/$1.csv" || die "COST_CSV=$COST_CSV is not enough"
	else
		CSV=$out/$1.csv "$top/perf-scripts/cost" "${@:2}"
	fi
}

# bench NAME CELL...: time, in $out/NAME.csv; variables as perf-scripts/bench takes them
bench() { CSV=$out/$1.csv "$top/perf-scripts/bench" "${@:2}"; }

# wakes NAME CELL...: calls and wake-ups of the server for an I/O, in $out/NAME.csv; variables as perf-scripts/wakes takes them
wakes() { CSV=$out/$1.csv "$top/perf-scripts/wakes" "${@:2}"; }

# table DESCRIPTION CSV: as text
table() { "$top/perf-scripts/report" table "$folder/$1.table" "$out/$2.csv"; }

# plot NAME: NAME.csv's plot
plot() { "$top/experiments/plot" "$folder/$1.gp" "$out/$1.csv" "$out/$1.svg"; }

# finish NAME...: what came out, and where it is
finish()
{
	local n
	if [ -n "${KEEP:-}" ]; then
		for n; do
			cp "$out/$n.csv" "$folder/"
			[ ! -f "$out/$n.svg" ] || cp "$out/$n.svg" "$folder/"
		done
		"$top/perf-scripts/report" documents
	fi
	printf '\nfigures and plot: %s%s\n' "${out#"$top"/}" "${KEEP:+, and ${folder#"$top"/}}"
}
