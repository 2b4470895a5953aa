# SPDX-License-Identifier: GPL-2.0
"""Tables in documents, between a line that says which and a line that ends it:

    <!-- report: table perf-scripts/cost.table experiments/fused/cost.csv -->
    <!-- end of report -->

What stands between the two is what that command prints, in Markdown.  It is written there by
`make tables`, and nobody writes there by hand: tests/host/tables compares.
"""

import difflib
import os
import subprocess

from .figures import Refused, lines_of

BEGIN, CLOSE, END = '<!-- report: ', ' -->', '<!-- end of report -->'


def all_documents(top):
    """Those that git knows; in a copy without git, those that are there."""
    out = subprocess.run(['git', '-C', top, 'ls-files', '-z', '*.md'], check=False,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    names = [name for name in out.split('\0') if os.path.isfile(os.path.join(top, name))]
    return names or sorted(os.path.relpath(os.path.join(folder, name), top)
                           for folder, _, files in os.walk(top) for name in files
                           if name.endswith('.md') and '/build' not in folder)


def with_tables(path, make):
    """The lines of a document as they have to be; make(WORDS) is what a command prints."""
    out, begun = [], None
    for number, line in enumerate(lines_of(path), 1):
        if line.startswith(BEGIN):
            if begun:
                raise Refused(f"{path}:{number}: the table of line {begun} has no end; "
                              f"right is '{END}'")
            if not line.endswith(CLOSE):
                raise Refused(f"{path}:{number}: '{line}' does not end with '{CLOSE.strip()}'")
            begun = number
            try:
                text = make(line[len(BEGIN):-len(CLOSE)].split())
            except Refused as error:
                raise Refused(f"{path}:{number}: {error}") from None
            out += [line, '', *text.rstrip('\n').split('\n'), '']
        elif line == END:
            if not begun:
                raise Refused(f"{path}:{number}: the end of a table that did not begin")
            begun = None
            out.append(line)
        elif not begun:
            out.append(line)
    if begun:
        raise Refused(f"{path}:{begun}: the table has no end; right is '{END}'")
    return out


def write(path, lines):
    """The document is there as a whole, before and after."""
    new = path + '.new'
    with open(new, 'w', encoding='utf-8') as file:
        file.write('\n'.join(lines) + '\n')
    os.chmod(new, os.stat(path).st_mode & 0o777)
    os.replace(new, path)


def differs(path, make, check, say):
    """Whether a document was not what its figures say; writes it, unless it is only checked."""
    old, new = lines_of(path), with_tables(path, make)
    if old == new:
        return False
    if check:
        say('\n'.join(difflib.unified_diff(old, new, path, 'its figures', lineterm='', n=0)))
    else:
        write(path, new)
        say(f'{path}: written')
    return True
