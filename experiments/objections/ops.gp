# SPDX-License-Identifier: GPL-2.0
# Instructions by number of consumers: gnuplot -e "csv='...'; svg='...'" ops.gp
set terminal svg size 560,380 font "sans,12" background "white"
set output svg
set datafile separator ','
set xlabel 'consumers of one buffer'
set ylabel 'thousands of instructions'
set xtics 1
set xrange [0.8:4.2]
set yrange [0:*]
set grid ytics lc rgb '#dddddd'
set key top left
pick(m) = sprintf("< awk -F, '$1 == \"%s\"' %s", m, csv)
plot for [m in 'register fused fused-n'] pick(m) using 2:3 with linespoints pt 7 title m
