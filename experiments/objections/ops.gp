# SPDX-License-Identifier: GPL-2.0
# Instructions of a round by number of consumers.
load 'experiments/style.gp'
eval paper(620, 360)
set xlabel 'consumers of one buffer'
set ylabel 'thousands of instructions'
set xtics 1
set xrange [0.7:4.3]
set yrange [0:9]
set key top left Left reverse
plot for [m in 'fused register fused-n'] csv using (strcol('way') eq m ? column('writes') : NaN):'kinsn' \
	with linespoints lw 2 ps 0.9 pt mark(m) lc rgb colour(m) title m
