# SPDX-License-Identifier: GPL-2.0
"""Files of figures: CSV with one head line, and lines of comment that begin with '#'.

What is wrong in one is an error with the file, the line and the value.  A figure is never
guessed: what is not there stays away, and what is there twice is refused.
"""

import re

NUMBER = re.compile(r'[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?')


class Refused(Exception):
    """Something that a user gave is wrong; the text says what, and what would be right."""


class Row:
    """One line of figures: its place, and its fields by column."""

    def __init__(self, path, number, fields):
        self.path, self.number, self.fields = path, number, fields

    def __getitem__(self, column):
        return self.fields[column]

    def fits(self, where):
        return all(self.fields[column] == value for column, value in where.items())

    def key(self, columns):
        return tuple(self.fields[column] for column in columns)

    def figure(self, column):
        text = self.fields[column]
        if not NUMBER.fullmatch(text):
            raise Refused(f"{self.path}:{self.number}: {column} is '{text}'; right is a number")
        return float(text)


class Figures:
    """A file of figures.  The rows are in the order of its lines."""

    def __init__(self, path, columns, rows):
        self.path, self.columns, self.rows = path, columns, rows

    def need(self, *columns):
        for column in columns:
            if column not in self.columns:
                raise Refused(f"{self.path}: there is no column '{column}'; "
                              f"there are {', '.join(self.columns)}")

    def find(self, where):
        """The rows that fit all of COLUMN: VALUE."""
        self.need(*where)
        return [row for row in self.rows if row.fits(where)]

    def one(self, where):
        """The row that fits, or None; two of them are an error."""
        rows = self.find(where)
        if len(rows) > 1:
            raise Refused(f"{self.path}:{rows[1].number}: a second figure of "
                          f"{' '.join(where.values())}; the first is in line {rows[0].number}")
        return rows[0] if rows else None

    def values(self, column):
        """What a column has, each once, in the order of the lines."""
        self.need(column)
        return list(dict.fromkeys(row[column] for row in self.rows))


def lines_of(path):
    try:
        with open(path, encoding='utf-8') as file:
            return file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, 'strerror', None) or 'not UTF-8'
        raise Refused(f"{path}: {reason}") from None


def head_of(path, number, line):
    columns = line.split(',')
    if '' in columns or len(set(columns)) < len(columns):
        raise Refused(f"{path}:{number}: '{line}' is no head; right are names, each once")
    return columns


def read(path):
    columns, rows = None, []
    for number, line in enumerate(lines_of(path), 1):
        if line.startswith('#') or not line:
            continue
        if columns is None:
            columns = head_of(path, number, line)
            continue
        fields = line.split(',')
        if len(fields) != len(columns):
            raise Refused(f"{path}:{number}: '{line}' is no figure; right is {','.join(columns)}")
        rows.append(Row(path, number, dict(zip(columns, fields))))
    if columns is None:
        raise Refused(f"{path}: it is empty; right is a line with names and lines with figures")
    return Figures(path, columns, rows)
