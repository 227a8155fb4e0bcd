# SPDX-License-Identifier: GPL-2.0
"""The matrix for programs that read JUnit's XML: a suite for each row."""

import xml.etree.ElementTree as ET


def case(suite, cell):
    """A test case; what is known to fail has passed, and says so."""
    name = "/".join(part for part in (cell.column, cell.mode, cell.access) if part)
    element = ET.SubElement(suite, "testcase", name=name, time=f"{cell.ms / 1000:.3f}",
                            classname=f"{cell.table}.{cell.row}")
    text = "\n".join([*cell.log, *cell.reports])
    if cell.result == "na":
        ET.SubElement(element, "skipped", message=cell.why)
    elif cell.result == "fail":
        ET.SubElement(element, "failure", message=cell.why, type="failure").text = text
    elif cell.result == "known":
        text = f"known: {cell.why} {cell.link}".rstrip() + "\n" + text
    if cell.result == "known" or (cell.result == "pass" and text):
        ET.SubElement(element, "system-out").text = text


def attributes(cells):
    return {
        "tests": str(len(cells)),
        "failures": str(sum(cell.result == "fail" for cell in cells)),
        "errors": "0",
        "skipped": str(sum(cell.result == "na" for cell in cells)),
        "time": f"{sum(cell.ms for cell in cells) / 1000:.3f}",
    }


def document(run, about):
    """The whole file, as bytes."""
    suites = {}
    for cell in run.all():
        suites.setdefault((cell.table, cell.row), []).append(cell)
    total = attributes(run.all())
    del total["skipped"]    # the schema knows it for a suite only
    root = ET.Element("testsuites", name=f"matrix {about['kernel']}", **total)
    for (table, row), cells in suites.items():
        suite = ET.SubElement(root, "testsuite", name=f"{table}.{row}",
                              timestamp=about["date"], hostname=about["kernel"],
                              **attributes(cells))
        for cell in cells:
            case(suite, cell)
    ET.indent(root)
    return ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"
