# SPDX-License-Identifier: GPL-2.0
# Instructions per write, ours beside the kernel's drivers and NBD: a panel for each size, with an axis of its own.
# The axis ends where the most of all but NBD does; NBD's bar is cut there, and its number is in it.
load 'experiments/style.gp'
eval paper(860, 480)
data = figures('experiments/peers/plot.table')
kinds = 'lends copies kernel nbd backend'
title_of(kind) = kind eq 'lends' ? 'ours, zero copy' : kind eq 'copies' ? 'ours, copying' : kind eq 'kernel' ? "the kernel's" : \
	kind eq 'nbd' ? 'NBD, cut off' : 'the disk alone'
tint(kind) = kind eq 'lends' ? colour('register') : kind eq 'copies' ? 0xa9c8e8 : kind eq 'kernel' ? 0xe08a2c : \
	kind eq 'nbd' ? 0xa83232 : 0xb0b0b0
y(disks) = -column(0) - 0.7 * disks
short(x) = x < 100 ? sprintf('%.1f', x) : sprintf('%.0f', x)
is(kind) = strcol('whose') eq kind
sizes = '4k 64k 512k'
array most[3]
do for [i = 1:3] {
	stats data using (is('nbd') ? NaN : column(word(sizes, i))) nooutput
	most[i] = 1.2 * STATS_max
}
stats data using (is('nbd') ? y(column('disks')) : NaN) nooutput
cut = STATS_min
set style fill solid 1 noborder
set multiplot
eval legend
plot for [k in kinds] NaN with boxes lc rgb tint(k) title title_of(k)
eval legend_end
set yrange [-16.2:0]
set ytics scale 0 format ''
set border 1
unset grid
set xlabel "thousands of instructions"
do for [i = 1:3] {
	b = word(sizes, i)
	eval panel(i, 0.19, 0.97, 0.14, 0.86, 0.03)
	set xrange [0:most[i]]
	set xtics most[i] > 100 ? 50 : most[i] > 30 ? 10 : 5
	set title b . ' writes' font ',12'
	set arrow 1 from 0.80 * most[i], cut - 0.45 to 0.83 * most[i], cut + 0.45 nohead lw 4 lc rgb 'white' front
	plot for [k in kinds] data using (0):(is(k) ? y(column('disks')) : NaN):(0):(k eq 'nbd' ? most[i] : column(b)): \
		(y(column('disks')) - 0.4):(y(column('disks')) + 0.4) with boxxyerror lc rgb tint(k), \
		data using (column(b)):(is('nbd') ? NaN : y(column('disks'))):(short(column(b))) with labels left offset 0.3,0 font ',10', \
		data using (0.4 * most[i]):(is('nbd') ? y(column('disks')) : NaN):(short(column(b))) with labels center tc rgb 'white' font ',10', \
		data using (0):(y(column('disks'))):(i == 1 ? strcol('name') : '') with labels right offset -0.6,0 font ',11'
}
unset multiplot
