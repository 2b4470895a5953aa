# SPDX-License-Identifier: GPL-2.0
# Microseconds of a single write by number of legs.
load 'experiments/style.gp'
eval paper(620, 360)
set xlabel 'legs, each of which takes 200 microseconds'
set ylabel 'microseconds per 4k write'
set xtics 1
set xrange [1.7:4.3]
set yrange [0:1000]
set key top left Left reverse
plot for [m in 'register-chain register'] csv using (strcol('mode') eq m && strcol('rw') eq 'write' ? column('legs') : NaN):'us' \
	with linespoints lw 2 ps 0.9 pt mark(m) lc rgb colour(m) title m
