# SPDX-License-Identifier: GPL-2.0
# What perf-scripts/where makes, without the symbols: awk -F, -f bylayer.awk WHERE.csv
NR == 1 { print "target,legs,mode,bs,rw,side,layer,kinsn"; next }
{
	key = $1 "," $2 "," $3 "," $4 "," $5 "," $6 "," $7
	if (!(key in sum)) order[++n] = key
	sum[key] += $NF
}
END { for (i = 1; i <= n; i++) printf "%s,%.3f\n", order[i], sum[order[i]] }
