# SPDX-License-Identifier: GPL-2.0
# cost.csv: what fused commands cost more or less than registering, for each number of legs, size and direction.
BEGIN {
	FS = ","
	printf "%-5s %-5s %-6s %9s %17s %17s  %s\n", "legs", "size", "", "register", "fused", "fused-n", "cheapest"
}
NR > 1 && $1 != "raw" {
	k = $2 "," $4 "," $5
	if (!(k in seen)) { seen[k]; order[++n] = k }
	v[k, $3] = $6
}
function cell(k, mode) { return ((k, mode) in v) ? sprintf("%8.2f (%+5.1f %%)", v[k, mode], 100 * (v[k, mode] / v[k, "register"] - 1)) : "-" }
# The cheapest and what costs less than one percent more, which is no difference
function cheapest(k,   i, best, near, n) {
	best = 1e9
	for (i = 1; i <= 3; i++) if (((k, mode[i]) in v) && v[k, mode[i]] < best) best = v[k, mode[i]]
	for (i = 1; i <= 3; i++)
		if (!((k, mode[i]) in v)) n++
		else if (v[k, mode[i]] <= best * 1.01) { near = near (near ? ", " : "") mode[i]; n++ }
	return n == 3 ? "no difference" : near
}
END {
	split("fused-n fused register", mode, " ")
	for (i = 1; i <= n; i++) {
		k = order[i]; split(k, p, ",")
		printf "%-5s %-5s %-6s %9.2f %17s %17s  %s\n", p[1], p[2], p[3], v[k, "register"], cell(k, "fused"), cell(k, "fused-n"), cheapest(k)
	}
}
