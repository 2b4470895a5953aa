# SPDX-License-Identifier: GPL-2.0
"""What we cost against the figures of others: those of kind 'bar' must not be passed.

given.csv has in 'percent' by how much ours may be above a bar, and in 'measured' which cell of
mainline's kernel has the figures, if they are not given but measured by experiments/mainline.  Two
more bars are our own: a read of a mirror goes to one leg, so it costs what loop's does in the same
mode, and some percent for choosing the leg.
"""

from .figures import Refused

# mode: so many percent; of auto 2 is the aim, and figures repeat within half a percent
OWN_LOOP = {'register': 3, 'auto': 2.5}
PLACES = [(bs, rw) for bs in ('4k', '64k', '512k') for rw in ('write', 'read')]
FORM = ['target', 'legs', 'mode', 'bs', 'rw', 'kinsn']


def away(x, y):
    """In percent."""
    return f'{100 * (x / y - 1):+.0f}'


class Bars:
    """One comparison: what has been looked at so far.  measured() reads mainline's figures."""

    def __init__(self, given, ours, measured):
        if ours.columns != FORM:
            raise Refused(f"{ours.path}:1: '{','.join(ours.columns)}' is no figure; "
                          f"right is {','.join(FORM)}")
        self.given, self.ours, self.measured = given, ours, measured
        self.held, self.missing, self.broken, self.lines = 0, 0, [], []

    def cost(self, cell, place, figures=None, **more):
        target, legs, mode = cell.split(':')
        row = (figures or self.ours).one(dict(target=target, legs=legs, mode=mode,
                                              bs=place[0], rw=place[1], **more))
        return row.figure('kinsn') if row else None

    def limit(self, row, place):
        """A number, or '-' for none."""
        if row['measured'] == '-':
            text = row[' '.join(place)]
            return text if text == '-' else row.figure(' '.join(place))
        measured = self.measured()
        limit = self.cost(row['measured'], place, measured, kernel='mainline')
        if limit is None:
            raise Refused(f"{row.path}:{row.number}: {measured.path} has no figure of "
                          f"{row['measured']} {' '.join(place)} on kernel mainline")
        return limit

    def bar(self, cell, whose, place, x, limit, percent):
        # figures have two decimals
        if x <= limit * (1 + percent / 100) + 0.0001:
            self.held += 1
            return
        self.broken.append(f"BROKEN  {cell}, {' '.join(place)}: {x:.2f}, which is "
                           f"{away(x, limit)} % of {whose}'s {limit:g}; "
                           f"at most {percent:+g} % is right")

    def one(self, kind, percent, whose, cell, limits):
        """limits: for each place a number; None is not measured, '-' is not given."""
        texts = []
        for place, limit in zip(PLACES, limits):
            x = self.cost(cell, place)
            if limit == '-':
                texts.append('')
            elif limit is None or x is None:
                texts.append('?')
                self.missing += kind == 'bar'
            else:
                texts.append(away(x, limit))
                if kind == 'bar':
                    self.bar(cell, whose, place, x, limit, percent)
        self.lines.append([kind, cell, whose] + texts)

    def all(self):
        for row in self.given.rows:
            self.one(row['kind'], row.figure('percent'), row['whose'],
                     ':'.join((row['target'], row['legs'], row['mode'])),
                     [self.limit(row, place) for place in PLACES])
        for mode, percent in OWN_LOOP.items():
            reads = [self.cost(f'loop:1:{mode}', place) if place[1] == 'read' else '-'
                     for place in PLACES]
            self.one('bar', percent, 'our own loop', f'mirror:2:{mode}', reads)

    def table(self):
        """As table.render's forms take it: how many columns are names, and the lines."""
        head = ['kind', 'ours', 'in percent of'] + list(map(' '.join, PLACES))
        return 3, [head] + self.lines


def compare(given, ours, measured):
    given.need('kind', 'percent', 'whose', 'target', 'legs', 'mode', 'measured',
               *map(' '.join, PLACES))
    bars = Bars(given, ours, measured)
    bars.all()
    return bars
