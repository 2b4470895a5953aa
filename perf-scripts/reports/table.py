# SPDX-License-Identifier: GPL-2.0
"""Tables of figures, each by a description: a file of lines 'KEY: VALUE' and of comment.

    rows: COLUMN...         a row of the table for each of their values, in the order of the file
    columns: COLUMN...      a column for each of these values
    cell: TEXT              what is in them (cells.py)
    column NAME: TEXT       one more column
    head: TEXT | TEXT...    what stands above the names of the rows [rows]
    row VALUE...: TEXT | .. these rows only, in this order, with these names
    only: COLUMN=VALUE...   leave out the other lines of figures
    not: COLUMN=VALUE       leave out these lines
    sort: COLUMN...         order the rows by their values, numbers as numbers
    most: TEXT              order the rows by this cell, the most first
    total: NAME             one more row, for the sums of all
    groups: COLUMN...       a table for each of these values
"""

from .cells import Cell
from .figures import NUMBER, Figures, Refused, lines_of

LISTS = ('rows', 'columns', 'sort', 'groups')
ONCE = LISTS + ('cell', 'head', 'only', 'not', 'most', 'total')


class Description:
    """What a table shows.  Created from its file; knows no figures."""

    def __init__(self, path, variables):
        self.path, self.seen, self.extra, self.named = path, {}, [], {}
        for number, line in enumerate(lines_of(path), 1):
            if line.startswith('#') or not line:
                continue
            for name, value in variables.items():
                line = line.replace(f'${name}', value)
            self.take(line, f'{path}:{number}')
        if not self.list('rows') or not (self.extra or 'cell' in self.seen):
            raise Refused(f"{path}: right are at least 'rows: COLUMN...' and a cell")

    def take(self, line, place):
        key, separator, value = line.partition(': ')
        word, _, rest = key.partition(' ')
        if not separator:
            raise Refused(f"{place}: '{line}'; right is KEY: VALUE")
        if word == 'column' and rest:
            self.extra.append((rest, Cell(value, place)))
        elif word == 'row' and rest:
            self.named[tuple(rest.split())] = [text.strip() for text in value.split('|')]
        elif key in ONCE and key not in self.seen:
            self.seen[key] = Cell(value, place) if key in ('cell', 'most') else value
        else:
            raise Refused(f"{place}: '{key}' is twice or unknown; right are {', '.join(ONCE)}, "
                          "row VALUE..., column NAME")

    def list(self, key):
        return self.seen.get(key, '').split()

    def pairs(self, key):
        return dict(word.partition('=')[::2] for word in self.list(key))

    def get(self, key):
        return self.seen.get(key)


def chosen(figures, description):
    """The figures that a description wants; a value that no line has is an error."""
    only, without = description.pairs('only'), description.pairs('not')
    figures.need(*only, *without, *(c for key in LISTS for c in description.list(key)))
    for column, value in only.items():
        if value not in figures.values(column):
            raise Refused(f"{figures.path}: no line has {column} {value}, "
                          f"as {description.path} wants")
    rows = [row for row in figures.find(only) if not (without and row.fits(without))]
    if not rows:
        raise Refused(f"{figures.path}: there is no figure")
    return Figures(figures.path, figures.columns, rows)


def in_order(value):
    """For sorting: numbers before words, by their size."""
    return (0, float(value), '') if NUMBER.fullmatch(value) else (1, 0.0, value)


def row_keys(figures, description):
    columns = description.list('rows')
    keys = list(dict.fromkeys(row.key(columns) for row in figures.rows))
    if description.named:
        missing = [key for key in description.named if key not in keys]
        if missing:
            raise Refused(f"{figures.path}: there is no figure of {' '.join(missing[0])}, "
                          f"as {description.path} wants")
        return list(description.named)
    if description.list('sort'):
        at = [columns.index(column) for column in description.list('sort')]
        keys.sort(key=lambda key: [in_order(key[i]) for i in at])
    most = description.get('most')
    if most:
        keys.sort(key=lambda key: -float(most.text(figures, dict(zip(columns, key)))))
    return keys


def column_cells(figures, description, row_names):
    """(heading, cell, what the column fixes) for each column after the rows' names."""
    out = []
    columns, rows = description.list('columns'), description.list('rows')
    if columns:
        if not description.get('cell'):
            raise Refused(f"{description.path}: 'columns' wants 'cell: TEXT'")
        keys = dict.fromkeys(row.key(columns) for row in figures.rows if row.key(rows) in row_names)
        out = [(', '.join(key), description.get('cell'), dict(zip(columns, key))) for key in keys]
    return out + [(name, cell, {}) for name, cell in description.extra]


def lines_with_names(figures, description):
    """One table as lists of texts, the head first."""
    columns = description.list('rows')
    keys = row_keys(figures, description)
    cells = column_cells(figures, description, keys)
    head = description.get('head')
    head = [text.strip() for text in head.split('|')] if head else columns
    out = [head + [heading for heading, _, _ in cells]]
    for key in keys:
        fixed = dict(zip(columns, key))
        texts = [cell.text(figures, {**fixed, **more}) for _, cell, more in cells]
        out.append(list(description.named.get(key, key)) + texts)
    if description.get('total'):
        names = [description.get('total')] + [''] * (len(head) - 1)
        out.append(names + [cell.text(figures, more) for _, cell, more in cells])
    for line in out[1:]:
        if len(line) != len(out[0]):
            raise Refused(f"{description.path}: the row '{' | '.join(line)}' has {len(line)} "
                          f"cells, the head {len(out[0])}")
    return len(head), out


def markdown(names, lines):
    rule = '|' + '---|' * len(lines[0])
    text = ['| ' + ' | '.join(line) + ' |' for line in lines]
    return '\n'.join([text[0], rule] + text[1:]).replace('|  |', '| |')


def csv(names, lines):
    return '\n'.join(','.join('' if text in ('-', '?') else text.replace(',', '')
                              for text in line) for line in lines)


def plain(names, lines):
    """In columns, names to the left and figures to the right."""
    width = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return '\n'.join('  '.join(text.ljust(width[i]) if i < names else text.rjust(width[i])
                               for i, text in enumerate(line)).rstrip() for line in lines)


def render(form, figures, description):
    figures = chosen(figures, description)
    groups = description.list('groups')
    out = []
    for key in dict.fromkeys(row.key(groups) for row in figures.rows):
        part = Figures(figures.path, figures.columns, figures.find(dict(zip(groups, key))))
        heading = [' '.join(key)] if groups else []
        out.append('\n'.join(heading + [form(*lines_with_names(part, description))]))
    return '\n\n'.join(out) + '\n'
