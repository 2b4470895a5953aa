# SPDX-License-Identifier: GPL-2.0
# Compares cost.csv with given.csv: awk -f bars.awk given.csv cost.csv.  Fails when a bar is broken, or none could be looked at.
BEGIN {
	FS = ","
	split("4k write,4k read,64k write,64k read,512k write,512k read", cells, ",")
}
/^#/ || $1 == "kind" { next }
FNR == NR { rows[++n] = $0; next }
$1 == "target" && $6 == "kinsn" { next }
NF != 6 || $1 == "target" { printf "bars: error: %s:%d: '%s' is no figure; right is target,legs,mode,bs,rw,kinsn\n", FILENAME, FNR, $0 > "/dev/stderr"; wrong = 1; exit }
{ ours[$1 ":" $2 ":" $3, $4 " " $5] = $6 }

# over X LIMIT: a figure of two decimals is above the limit
function over(x, limit) { return x > limit + 0.0001 }
function away(x, y) { return sprintf("%+.0f %%", 100 * (x / y - 1)) }

# one line for each cell and whom it is compared with: what came of each size and direction
function bar(cell, whose, at, x, given, percent) {
	if (over(x, given * (1 + percent / 100))) {
		printf "BROKEN  %s, %s: %.2f, which is %s of %s's %s; at most %+d %% is right\n", cell, at, x, away(x, given), whose, given, percent
		broken++
	} else
		held++
}
function compare(kind, percent, whose, cell, given,   i, text, x) {
	for (i = 1; i <= 6; i++) {
		x = given[i]
		if (x == "-" || x == "")
			text = text sprintf(" %9s", "")
		else if (x == "?" || !((cell, cells[i]) in ours)) {
			text = text sprintf(" %9s", "?")
			if (kind == "bar") missing++
		} else {
			text = text sprintf(" %9s", away(ours[cell, cells[i]], x))
			if (kind == "bar") bar(cell, whose, cells[i], ours[cell, cells[i]], x, percent)
		}
	}
	lines[++m] = sprintf("%-4s %-17s %-37s%s", kind, cell, whose, text)
}
# reads of a mirror go to one leg, like loop's
function mirror_reads(   i, given) {
	for (i = 1; i <= 6; i++)
		if (cells[i] ~ /read/)
			given[i] = (("loop:1:register", cells[i]) in ours) ? ours["loop:1:register", cells[i]] : "?"
	compare("bar", 3, "our own loop", "mirror:2:register", given)
}
END {
	if (wrong) exit 2
	for (r = 1; r <= n; r++) {
		split(rows[r], p, ",")
		for (i = 1; i <= 6; i++) given[i] = p[6 + i]
		compare(p[1], p[2], p[3], p[4] ":" p[5] ":" p[6], given)
	}
	mirror_reads()
	printf "%-4s %-17s %-37s", "", "ours", "above (+) or below (-)"
	for (i = 1; i <= 6; i++) printf " %9s", cells[i]
	print ""
	for (i = 1; i <= m; i++) print lines[i]
	printf "bars: %d hold, %d broken, %d not measured\n", held, broken, missing
	if (!held && !broken) print "bars: error: " FILENAME " has none of the cells that have a bar; make cost measures all" > "/dev/stderr"
	exit broken || !held
}
