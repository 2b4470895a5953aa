# SPDX-License-Identifier: GPL-2.0
# The server's processor, in percent, at equal throughput: gnuplot -e "csv='...'; svg='...'" cpu.gp
set terminal svg size 860,380 font "sans,12" background "white"
set output svg
set datafile separator ','
set style data histogram
set style histogram clustered gap 1
set style fill solid 0.9 noborder
set boxwidth 0.9
set yrange [0:*]
set ylabel "server, % of one processor"
set grid ytics lc rgb '#dddddd'
set key top left
pick(t, m) = sprintf("< awk -F, '$1 == \"%s\" && $3 == \"%s\"' %s", t, m, csv)
set multiplot layout 1,2
do for [t in 'loop mirror'] {
	set title t
	plot for [m in 'copy user-copy get-data register fused-n'] pick(t, m) using 19:xtic(4) title m
}
unset multiplot
