# SPDX-License-Identifier: GPL-2.0
# Instructions per write by number of legs, a line for each mode: gnuplot -e "csv='...'; svg='...'" legs.gp
set terminal svg size 960,360 font "sans,12" background "white"
set output svg
set datafile separator ','
set xlabel 'legs'
set ylabel 'thousands of instructions per write'
set xtics 1
set xrange [0.8:4.2]
set yrange [0:*]
set grid ytics lc rgb '#dddddd'
set key bottom right
modes = system(sprintf("awk -F, 'NR > 1 && $1 != \"raw\" && !seen[$3]++ { print $3 }' %s", csv))
pick(m, b) = sprintf("< awk -F, '($1 == \"loop\" || $1 == \"mirror\") && $3 == \"%s\" && $4 == \"%s\" && $5 == \"write\"' %s", m, b, csv)
set multiplot layout 1,3
do for [b in '4k 64k 512k'] {
	set title b
	plot for [m in modes] pick(m, b) using 2:6 with linespoints pt 7 title m
}
unset multiplot
