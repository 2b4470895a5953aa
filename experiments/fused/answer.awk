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
# within one percent there is no difference
function cheapest(k,   m, best, at, second) {
	best = 1e9
	for (m in modes) if (((k, m) in v) && v[k, m] < best) { best = v[k, m]; at = m }
	for (m in modes) if (((k, m) in v) && m != at && v[k, m] <= best * 1.01) at = "no difference"
	return at
}
END {
	modes["register"]; modes["fused"]; modes["fused-n"]
	for (i = 1; i <= n; i++) {
		k = order[i]; split(k, p, ",")
		printf "%-5s %-5s %-6s %9.2f %17s %17s  %s\n", p[1], p[2], p[3], v[k, "register"], cell(k, "fused"), cell(k, "fused-n"), cheapest(k)
	}
}
