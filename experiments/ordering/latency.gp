# SPDX-License-Identifier: GPL-2.0
# Median latency by number of legs: gnuplot -e "csv='...'; svg='...'" latency.gp
set terminal svg size 560,380 font "sans,12" background "white"
set output svg
set datafile separator ','
set xlabel 'legs, each of which takes 200 us'
set ylabel 'us per 4k write'
set xtics 1
set xrange [1.8:4.2]
set yrange [0:*]
set grid ytics lc rgb '#dddddd'
set key top left
pick(m) = sprintf("< awk -F, '$3 == \"%s\" && $5 == \"write\"' %s", m, csv)
plot for [m in 'register register-chain'] pick(m) using 2:6 with linespoints pt 7 title m
