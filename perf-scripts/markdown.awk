# SPDX-License-Identifier: GPL-2.0
# cost.csv as a table for a README: awk -f markdown.awk build/cost.csv
BEGIN {
	FS = ","
	print "| target | legs | mode | 4k | 64k | 512k |\n|---|---|---|---|---|---|"
}
$1 == "target" { next }
{
	k = $1 " | " $2 " | " $3
	if (!(k in seen)) { seen[k]; order[++n] = k }
	v[k, $4, $5] = sprintf("%.1f", $6)
}
function at(k, bs, rw) { return ((k, bs, rw) in v) ? v[k, bs, rw] : "?" }
function cell(k, bs) { return at(k, bs, "write") " / " at(k, bs, "read") }
END {
	for (i = 1; i <= n; i++)
		printf "| %s | %s | %s | %s |\n", order[i], cell(order[i], "4k"), cell(order[i], "64k"), cell(order[i], "512k")
}
