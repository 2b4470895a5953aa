# SPDX-License-Identifier: GPL-2.0
# memory.csv as the table of the README: a column for each number of devices and state, a row for each mode.
BEGIN { FS = ","; title["used"] = ", used"; title["idle-huge-pages"] = ", huge pages for all" }
NR == 1 { next }
{
	column = $2 title[$3]
	if (!($1 in rows)) { rows[$1]; row[++m] = $1 }
	if (!(column in columns)) { columns[column]; if ($3 == "idle") idle[++i] = column; else other[++o] = column }
	v[$1, column] = $4 " + " $5
}
END {
	for (c = 1; c <= o; c++) idle[i + c] = other[c]
	printf "| mode |"
	for (c = 1; c <= i + o; c++) printf " %s |", idle[c]
	printf "\n|---|"
	for (c = 1; c <= i + o; c++) printf "---|"
	for (r = 1; r <= m; r++) {
		printf "\n| %s |", row[r]
		for (c = 1; c <= i + o; c++) printf " %s |", ((row[r], idle[c]) in v) ? v[row[r], idle[c]] : "?"
	}
	print ""
}
