# SPDX-License-Identifier: GPL-2.0
"""What the commands of the reports have in common: matrix-, mutants- and observed-report."""

import argparse
import datetime
import json
import sys
from pathlib import Path


def parser(doc, render, add):
    """
    Of a command that renders a guest's stream, with RENDER, and sums up several, with ADD;
    and of its verbs, and of "render" itself, which may want more.
    """
    top = argparse.ArgumentParser(description=doc,
                                  formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = top.add_subparsers(required=True)
    one = verbs.add_parser("render")
    one.set_defaults(run=render)
    one.add_argument("--results", required=True, metavar="PREFIX", help="of the files")
    one.add_argument("--kernel", default="", help="its release, if the guest does not say it")
    one.add_argument("--qemu", default="", help="its version")
    one.add_argument("--part", default="", help="what the run was limited to")
    one.add_argument("--date", default=datetime.datetime.now(datetime.timezone.utc)
                     .strftime("%Y-%m-%dT%H:%M:%S"))
    one.add_argument("--trouble", default="", help="how the guest ended: \"hung: ...\"")
    one.add_argument("--status", default="0", help="with which the program ended")
    one.add_argument("--show", choices=("table", "failures"), default="table")
    one.add_argument("--colour", action="store_true")
    one.add_argument("stream")
    several = verbs.add_parser("sum")
    several.set_defaults(run=add)
    several.add_argument("file", nargs="+")
    return top, verbs, one


def run(top):
    """Does what the command line says."""
    # What is shown has letters that no locale may take away.
    sys.stdout.reconfigure(encoding="utf-8")
    args = top.parse_args()
    return args.run(args)


def read(stream, args):
    """What the guest said, into STREAM."""
    with open(args.stream, encoding="utf-8", errors="replace") as lines:
        stream.read(lines)


def about(stream, args):
    """Of which guest it is."""
    return {"kernel": stream.kernel or args.kernel, "qemu": args.qemu, "date": args.date,
            "part": args.part}


def leave(args, suffix, text):
    """A file of the results."""
    Path(args.results + suffix).write_text(text, encoding="utf-8")


def leave_json(args, data):
    """The one for programs."""
    leave(args, ".json", json.dumps(data, ensure_ascii=False, indent=1) + "\n")


def documents(args):
    """What "render" left of several guests as JSON."""
    return [json.loads(Path(name).read_text(encoding="utf-8")) for name in args.file]


def total(several):
    """The sums of their totals."""
    totals = {}
    for document in several:
        for key, value in document["totals"].items():
            totals[key] = totals.get(key, 0) + value
    return totals
