# SPDX-License-Identifier: GPL-2.0
# Instructions per write as bars, a panel for each size: gnuplot -e "csv='...'; svg='...'" bars.gp
set terminal svg size 960,420 font "sans,11" background "white"
set output svg
set datafile separator ','
set style fill solid 0.9 noborder
set boxwidth 0.7
set yrange [0:*]
set ylabel 'thousands of instructions per write'
set xtics rotate by -55
set grid ytics lc rgb '#dddddd'
unset key
pick(b) = sprintf("< awk -F, '$4 == \"%s\" && $5 == \"write\" { printf \"%%s %%s %%s,%%s\\n\", $1, $2, $3, $6 }' %s", b, csv)
set multiplot layout 1,3
do for [b in '4k 64k 512k'] {
	set title b
	plot pick(b) using 2:xtic(1) with boxes lc rgb '#2a7ab0'
}
unset multiplot
