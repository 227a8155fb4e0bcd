# SPDX-License-Identifier: GPL-2.0
"""
The list of a set of programs that are run alone and under dmirage observe: tests/observed/
SET/list. A line is a program:

  NAME LIMIT OPTIONS WITNESS COMMAND

  LIMIT    seconds, for each of the two runs
  OPTIONS  for dmirage observe, with commas between them; or -
  WITNESS  what must have been there to see: all (a process, translations and invalidations),
           made (a process and translations), or - (nothing: the program is too short)
  COMMAND  with quotes as for a shell

Indented lines below it are about it:

  package NAME        the program comes from that package
  also PROGRAM...     programs that it starts
  files PATH...       more files and folders of the host that the guest is to have
  lines REGEX         such lines of its output are results, too, as those of TAP are
  differs REGEX WHY   results with such names may differ, which is in no one's power; that of
                      the program is called "exit status"
  not KERNEL... WHY   it is not run on these: 6.1, or * for all. With * NAME is enough before

A line "guest: 4G 2" is for all: the guest's memory and its processors (8G 2).

What follows # is a comment. In REGEX a blank is written as \\s.
"""

import re
import shlex
from dataclasses import dataclass, field

WITNESS = ("all", "made", "-")
KERNEL = re.compile(r"\*$|\d+\.\d+$")


class Bad(Exception):
    """A line of the list that cannot be understood."""


@dataclass
class Program:
    name: str
    limit: int = 0
    options: list = field(default_factory=list)
    witness: str = "all"
    words: list = field(default_factory=list)
    package: str = ""
    also: list = field(default_factory=list)
    files: list = field(default_factory=list)
    lines: list = field(default_factory=list)
    differs: list = field(default_factory=list)     # (regex, why)
    without: dict = field(default_factory=dict)     # kernel: why

    def why_not(self, kernel):
        """Why it is not run there; None: it is."""
        return self.without.get("*", self.without.get(kernel))


def begin(line):
    words = line.split(None, 4)
    program = Program(words[0])
    if len(words) == 1:
        return program
    if len(words) < 5:
        raise Bad("not NAME LIMIT OPTIONS WITNESS COMMAND")
    if not words[1].isdigit() or int(words[1]) == 0:
        raise Bad(f"the limit '{words[1]}' is no number of seconds")
    if words[3] not in WITNESS:
        raise Bad(f"'{words[3]}' is none of {', '.join(WITNESS)}")
    program.limit = int(words[1])
    program.options = [] if words[2] == "-" else words[2].split(",")
    program.witness = words[3]
    program.words = shlex.split(words[4])
    return program


def regex(text):
    try:
        return re.compile(text)
    except re.error as error:
        raise Bad(f"'{text}' is no regular expression: {error}") from error


def more(program, line):
    what, _, rest = line.partition(" ")
    rest = rest.strip()
    if not rest:
        raise Bad(f"'{what}' has nothing behind it")
    if what == "package":
        program.package = rest
    elif what in ("also", "files"):
        getattr(program, what).extend(rest.split())
    elif what == "lines":
        program.lines.append(regex(rest))
    elif what == "differs":
        name, _, why = rest.partition(" ")
        if not why:
            raise Bad("a difference without a reason")
        program.differs.append((regex(name), why))
    elif what == "not":
        kernels = []
        while rest and KERNEL.match(rest.split()[0]):
            kernel, _, rest = rest.partition(" ")
            kernels.append(kernel)
            rest = rest.strip()
        if not kernels or not rest:
            raise Bad("not 'not KERNEL... WHY'")
        program.without.update({kernel: rest for kernel in kernels})
    else:
        raise Bad(f"'{what}' is not known")


def read(text):
    """A list: memory and processors, and all programs."""
    programs = []
    guest = ("8G", "2")
    for number, line in enumerate(text.splitlines(), 1):
        line = re.sub(r"(^|\s)#.*", "", line).rstrip()
        if not line:
            continue
        try:
            if line.startswith("guest:"):
                guest = tuple(line.split()[1:])
                if len(guest) != 2:
                    raise Bad("not 'guest: MEMORY PROCESSORS'")
            elif not line[0].isspace():
                if any(line.split()[0] == program.name for program in programs):
                    raise Bad("there is one of that name already")
                programs.append(begin(line))
            elif programs:
                more(programs[-1], line.strip())
            else:
                raise Bad("about no program")
        except (Bad, ValueError) as error:
            raise Bad(f"line {number}: {error}") from error
    for program in programs:
        if not program.words and "*" not in program.without:
            raise Bad(f"{program.name} has no command")
    return guest, programs
