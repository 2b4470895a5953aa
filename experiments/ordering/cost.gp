# SPDX-License-Identifier: GPL-2.0
# A chain of links against none.
modes = 'register-chain'
low = -1
high = 5
load 'experiments/versus.gp'
