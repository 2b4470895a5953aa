# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What the experiments have in common: measure, keep the figures, plot.  Sourced by each one's run.
#   KEEP=1         put the figures and the plot into the experiment's folder as well
#   COST_CSV=FILE  take instructions from an earlier build/cost.csv instead of counting again

here=$(cd "$(dirname "$0")" && pwd)
name=${here##*/}
top=$(cd "$here/../.." && pwd)
build=${REGBUF_BUILD:-$top/build}
out=$build/experiments/$name

die() { printf '%s: error: %s\n' "$name" "$*" >&2; exit 1; }

# begin ARGUMENTS: nothing is left of an earlier run, and one at a time in a tree
begin()
{
	[ $# -eq 0 ] || { echo "$name: error: '$1': there are no arguments; see ${here#"$top"/}/README.md" >&2; exit 2; }
	mkdir -p "$build/experiments"
	exec 8> "$build/experiments/lock"
	flock -n 8 || die "another experiment is under way in $build; wait, or use REGBUF_BUILD=DIR"
	rm -rf "$out"
	mkdir -p "$out"
	"$top/scripts/install-deps"
}

# cost CELL...: instructions per I/O in $out/cost.csv
cost()
{
	local from=$build/cost.csv
	if [ -n "${COST_CSV:-}" ]; then
		[ -f "$COST_CSV" ] || die "COST_CSV=$COST_CSV: no such file"
		from=$COST_CSV
	else
		"$top/perf-scripts/cost" "$@"
	fi
	awk -F, -v cells="$*" '
		BEGIN { n = split(cells, c, " "); for (i = 1; i <= n; i++) want[c[i]] }
		NR == 1 { print; next }
		($1 ":" $2 ":" $3) in want { print; got[$1 ":" $2 ":" $3] }
		END { for (k in want) if (!(k in got)) { print "there is no figure of " k > "/dev/stderr"; exit 1 } }
	' "$from" > "$out/cost.csv" || die "$from lacks cells"
}

# bench CELL...: time, in $out/$1.csv; variables as perf-scripts/bench takes them
bench()
{
	local as=$1
	shift
	"$top/perf-scripts/bench" "$@"
	cp "$build/bench.csv" "$out/$as.csv"
}

# plot SCRIPT CSV: CSV's plot
plot()
{
	gnuplot -e "csv='$out/$2.csv'; svg='$out/$2.svg'" "$top/experiments/$1" || die "gnuplot failed on $2.csv"
}

# finish: what came out, and where it is
finish()
{
	if [ -n "${KEEP:-}" ]; then cp "$out"/*.csv "$out"/*.svg "$here/"; fi
	printf '\nfigures and plot: %s%s\n' "${out#"$top"/}" "${KEEP:+, and ${here#"$top"/}}"
}
