# SPDX-License-Identifier: GPL-2.0
# A line of fio's terse output, version 3, to one of bench's raw.csv: awk -F';' -v id=... -v rw=read|write
# -v server='US-BEFORE US-AFTER' -f terse.awk
function percentile(want,   i, p)
{
	for (i = first + 12; i < first + 32; i++) {
		split($i, p, /%=/)
		if (p[1] + 0 == want) return p[2]
	}
}

{
	first = rw == "read" ? 6 : 47
	bw = $(first + 1); iops = $(first + 2); ms = $(first + 3)
	if ($5 != 0 || ms <= 0 || iops <= 0) { print "fio: error " $5 ", " iops + 0 " I/Os a second" > "/dev/stderr"; exit 1 }
	split(server, s, " ")
	ios = iops * ms / 1000
	client = $88 + $89
	printf "%s,%d,%.1f,%d,%d,%.1f,%.1f,%.3f,%.3f\n", id, iops, bw / 1024, percentile(50), percentile(99),
		(s[2] - s[1]) / 10 / ms, client, (s[2] - s[1]) / ios, client * ms * 10 / ios
}
