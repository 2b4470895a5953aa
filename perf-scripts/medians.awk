# SPDX-License-Identifier: GPL-2.0
# bench's raw.csv to bench.csv: for each cell and measure the median, and the least and the most of all rounds.
function median_of(k, c,   n, v, i, j, t)
{
	n = split(samples[k, c], v, " ")
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && v[j] + 0 < v[j - 1] + 0; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
	return (n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2) "," v[1] "," v[n]
}

BEGIN { FS = "," }

NR == 1 {
	printf "target,legs,mode,bs,rw,rounds"
	for (c = 7; c <= NF; c++) printf ",%s,%s_min,%s_max", $c, $c, $c
	print ""
	columns = NF
	next
}

{
	k = $1 "," $2 "," $3 "," $4 "," $5
	if (!rounds[k]++) order[++cells] = k
	for (c = 7; c <= NF; c++) samples[k, c] = samples[k, c] " " $c
}

END {
	for (i = 1; i <= cells; i++) {
		k = order[i]
		printf "%s,%d", k, rounds[k]
		for (c = 7; c <= columns; c++) printf ",%s", median_of(k, c)
		print ""
	}
}
