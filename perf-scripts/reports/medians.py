# SPDX-License-Identifier: GPL-2.0
"""Rounds to medians: of each cell and measure the median, and the least and the most of all rounds.

The columns before 'round' name a cell, those behind it are measures.  A median is written with the
figures' own digits; of an even number of rounds it is the mean of the two in the middle.
"""

from .figures import Refused


def median(values):
    """Of (number, text) pairs, as text."""
    middle = len(values) // 2
    if len(values) % 2:
        return values[middle][1]
    return f'{(values[middle - 1][0] + values[middle][0]) / 2:.12g}'


def of(figures):
    figures.need('round')
    at = figures.columns.index('round')
    names, measures = figures.columns[:at], figures.columns[at + 1:]
    cells, seen = {}, {}
    for row in figures.rows:
        key = row.key(names + ['round'])
        if key in seen:
            raise Refused(f"{row.path}:{row.number}: a second figure of {' '.join(key)}; "
                          f"the first is in line {seen[key]}")
        seen[key] = row.number
        cells.setdefault(row.key(names), []).append(row)
    head = names + ['rounds'] + [m + end for m in measures for end in ('', '_min', '_max')]
    lines = [','.join(head)]
    for key, rows in cells.items():
        fields = [*key, str(len(rows))]
        for measure in measures:
            values = sorted((row.figure(measure), row[measure]) for row in rows)
            fields += [median(values), values[0][1], values[-1][1]]
        lines.append(','.join(fields))
    return '\n'.join(lines) + '\n'
