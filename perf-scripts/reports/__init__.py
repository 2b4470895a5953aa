# SPDX-License-Identifier: GPL-2.0
"""What perf-scripts/report is made of."""
