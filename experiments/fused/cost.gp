# SPDX-License-Identifier: GPL-2.0
# Fused commands against registering.
modes = 'fused fused-n'
low = -3
high = 10
load 'experiments/versus.gp'
