# SPDX-License-Identifier: GPL-2.0
# What a write costs in percent above or below mode register, by number of legs: a panel for each size.
# Loaded with `modes`, those that are compared, and `low` and `high`, the ends of the axis.
load 'experiments/style.gp'
eval paper(860, 350)
data = figures('experiments/versus.table')
set multiplot
eval legend
plot NaN with lines lw 2 lc rgb colour('register') title 'register', \
	for [m in modes] NaN with linespoints lw 2 ps 0.9 pt mark(m) lc rgb colour(m) title m
eval legend_end
set xtics 1
set xrange [0.7:4.3]
set yrange [low:high]
set format y '%+.0f %%'
set xlabel 'legs'
do for [i = 1:3] {
	b = word('4k 64k 512k', i)
	eval panel(i, 0.10, 0.985, 0.18, 0.80, 0.07)
	set title b . ' writes'
	if (i == 1) { set ylabel 'instructions against register' } else { unset ylabel }
	plot 0 with lines lw 2 lc rgb colour('register'), \
		for [m in modes] data using (strcol('bs') eq b ? column('legs') : NaN):(100 * (column(m) / column('register') - 1)) \
		with linespoints lw 2 ps 0.9 pt mark(m) lc rgb colour(m)
}
unset multiplot
