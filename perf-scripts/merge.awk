# SPDX-License-Identifier: GPL-2.0
# Two folded profiles to the input of a differential flame graph, `stack A B`, each count for a
# million I/Os: awk -v ios_a=N -v ios_b=N -f merge.awk A B
{
	stack = substr($0, 1, length($0) - length($NF) - 1)
	f = FILENAME == ARGV[1]
	count[f, stack] += $NF; stacks[stack]
}
END { for (s in stacks) printf "%s %d %d\n", s, count[1, s] * 1e6 / ios_a, count[0, s] * 1e6 / ios_b }
