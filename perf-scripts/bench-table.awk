# SPDX-License-Identifier: GPL-2.0
# bench.csv as a table: awk -F, -v ref=MODE -f bench-table.awk bench.csv.  Each measure is the median
# and, in brackets, half of what lies between the least and the most round; a mode is said to differ from
# ref only where not one round of the two lies within the rounds of the other.
function half(lo, hi) { return (hi - lo) / 2 }

# verdict of column c: what the median is of ref's, or that there is no difference
function verdict(k, c,   r)
{
	r = at[k, ref]
	if (!r || r == row) return ""
	if (v[row, c + 1] <= v[r, c + 2] && v[r, c + 1] <= v[row, c + 2]) return "no difference"
	return v[r, c] > 0 ? sprintf("%+.0f %%", 100 * (v[row, c] / v[r, c] - 1)) : ""
}

NR == 1 { next }

{
	k = $1 " " $2 ", " $4 " " $5
	if (!(k in seen)) { seen[k]; order[++n] = k }
	rows[k] = rows[k] " " NR; at[k, $3] = NR; mode[NR] = $3
	for (c = 7; c <= NF; c++) v[NR, c] = $c
}

END {
	for (i = 1; i <= n; i++) {
		k = order[i]
		printf "%-22s %16s %14s %9s %8s %8s %17s %14s %17s\n", k, "I/O a second", "(" ref ")", "MiB/s", "p50 us", "p99 us", "server us per I/O", "(" ref ")", "client us per I/O"
		m = split(rows[k], r, " ")
		for (j = 1; j <= m; j++) {
			row = r[j]
			printf "  %-20s %8d +-%5d %14s %9.0f %8d %8d %9.2f +-%5.2f %14s %9.2f +-%5.2f\n", mode[row],
				v[row, 7], half(v[row, 8], v[row, 9]), verdict(k, 7), v[row, 10], v[row, 13], v[row, 16],
				v[row, 25], half(v[row, 26], v[row, 27]), verdict(k, 25), v[row, 28], half(v[row, 29], v[row, 30])
		}
	}
}
