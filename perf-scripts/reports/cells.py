# SPDX-License-Identifier: GPL-2.0
"""What a cell of a table says: text with fields in braces, as '{kinsn rw=write .1} / ...'.

    {COLUMN [COLUMN=VALUE]... [/N] [.DECIMALS] [HOW]}
    /N              divided by N
    half            half of what lies between COLUMN_min and COLUMN_max
    range N%        the least and the most in brackets, where they differ by more than N %
    sum             of all lines that fit, instead of the one
    less K=V...     less the figure with these values
    versus K=V...   in percent above or below the figure with these values
    least COLUMN N% the values of COLUMN with the least figure, and what is within N % of it

A figure that is not there is '?', and a cell that has none at all is '-'.
"""

import re

from .figures import Refused

HOWS = ('half', 'range', 'sum', 'less', 'versus', 'least')
MISSING = '?'


class Field:
    def __init__(self, text, place):
        words = text.split()
        self.how, self.decimals, self.percent, self.among = None, None, 0.0, None
        self.where, self.other, self.divisor = {}, {}, 1
        if not words:
            raise Refused(f"{place}: '{{}}' names no column")
        self.column = words[0]
        for word in words[1:]:
            self.take(word, text, place)

    def take(self, word, text, place):
        if word in HOWS and self.how is None:
            self.how = word
        elif '=' in word:
            column, _, value = word.partition('=')
            (self.other if self.how in ('less', 'versus') else self.where)[column] = value
        elif re.fullmatch(r'\.\d', word):
            self.decimals = int(word[1:])
        elif re.fullmatch(r'/[1-9]\d*', word):
            self.divisor = int(word[1:])
        elif re.fullmatch(r'\d+%', word):
            self.percent = float(word[:-1])
        elif self.how == 'least' and self.among is None:
            self.among = word
        else:
            raise Refused(f"{place}: '{word}' in '{{{text}}}'; right are COLUMN=VALUE, /N, "
                          f".DECIMALS, {', '.join(HOWS)}")

    def text(self, figures, fixed):
        """The field's text, or None for a figure that is not there."""
        figures.need(self.column)
        where = {**fixed, **self.where}
        if self.how == 'sum':
            return self.sum_of(figures, where)
        if self.how == 'least':
            return self.least_of(figures, where)
        row = figures.one(where)
        if row is None:
            return None
        if self.how == 'half':
            return self.number((self.bound(figures, row, 'max') -
                                self.bound(figures, row, 'min')) / 2)
        if self.how == 'range':
            return self.with_range(figures, row)
        if self.other:
            return self.compared(figures, row, figures.one({**where, **self.other}))
        return self.number(row.figure(self.column), row[self.column])

    def number(self, value, text=None):
        """With the decimals that are wanted, or as the file has it.

        An exact half goes to the even digit, as awk's and C's printf() have it.
        """
        if self.decimals is None:
            return text if text and self.divisor == 1 else f'{value / self.divisor:.12g}'
        return f'{value / self.divisor:.{self.decimals}f}'

    def bound(self, figures, row, end):
        figures.need(f'{self.column}_{end}')
        return row.figure(f'{self.column}_{end}')

    def sum_of(self, figures, where):
        rows = figures.find(where)
        return self.number(sum(row.figure(self.column) for row in rows)) if rows else None

    def with_range(self, figures, row):
        value = row.figure(self.column)
        least, most = self.bound(figures, row, 'min'), self.bound(figures, row, 'max')
        if most - least <= abs(value) * self.percent / 100:
            return self.number(value)
        return f'{self.number(value)} ({self.number(least)} to {self.number(most)})'

    def overlap(self, figures, a, b):
        """The rounds of the two lie within each other, so that neither is more."""
        if f'{self.column}_min' not in figures.columns:
            return False
        return (self.bound(figures, a, 'min') <= self.bound(figures, b, 'max') and
                self.bound(figures, b, 'min') <= self.bound(figures, a, 'max'))

    def compared(self, figures, row, other):
        if other is None:
            return None
        if other is row:
            return ''
        value, base = row.figure(self.column), other.figure(self.column)
        if self.how == 'less':
            return self.number(value - base)
        if self.overlap(figures, row, other):
            return 'no difference'
        return f'{100 * (value / base - 1):+.{self.decimals or 0}f} %' if base > 0 else ''

    def least_of(self, figures, where):
        if self.among is None:
            raise Refused(f"'least' wants a column: {{{self.column} least mode 1%}}")
        found = {}
        for value in figures.values(self.among):
            row = figures.one({**where, self.among: value})
            if row:
                found[value] = row.figure(self.column)
        if not found:
            return None
        limit = min(found.values()) * (1 + self.percent / 100)
        near = [value for value, figure in found.items() if figure <= limit]
        return ', '.join(near) if len(near) < len(found) else 'no difference'


class Cell:
    """Created once for each template of a description; knows no figures."""

    def __init__(self, template, place):
        self.parts = re.split(r'\{([^{}]*)\}', template)
        self.fields = [Field(text, place) for text in self.parts[1::2]]

    def columns(self):
        """Which columns the fields choose by themselves."""
        return {column for field in self.fields for column in field.where}

    def text(self, figures, fixed):
        texts = [field.text(figures, fixed) for field in self.fields]
        if texts and all(text is None for text in texts):
            return '-'
        out = [self.parts[0]]
        for text, rest in zip(texts, self.parts[2::2]):
            out += [MISSING if text is None else text, rest]
        return ''.join(out).strip()
