#!/usr/bin/env python3
"""Keeps docs/protocols/mqtt.md true: every test that it names exists, and what it calls done has a test.

Usage: tests/lint/protocol_table.py            check; exit code 1 and one line per fault
       tests/lint/protocol_table.py --update   also writes into the tables which tests cite a statement or an item

A test cites a statement of MQTT 5.0 in a comment, "[MQTT-3.3.2-4, -15..-18]"; of MQTT 3.1.1 as "v3 [MQTT-3.1.2-22]" or
"[v3 MQTT-3.1.2-22]"; an item of the checklist in its name, "item_064_...", or as "item 64" in a comment.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs/protocols/mqtt.md"
EXPECTED = {"v5": 251, "v3": 141, "item": 127}
STATES = {"done", "partial", "not planned", "client"}

CPP_TEST = re.compile(r"^\s*TEST(?:_F|_P)?\(\s*(\w+)\s*,\s*(\w+)\s*\)", re.M)
PYTHON_TEST = re.compile(r"^\s*def (test_\w+)\(", re.M)
JS_TEST = re.compile(r"^\s*(?:test|it)\(\s*['\"`]([^'\"`]+)", re.M)
CITATION = re.compile(r"(v3:?\s*)?\[(v3:?\s*)?(?:MQTT-|v3:?\s*)[^\]]*\]")
STATEMENT = re.compile(r"(v3:?\s*)?(?:MQTT-)?(?:(\d+(?:\.\d+)+)?-(\d+))(?:\.\.-?(\d+))?")
ITEM_IN_NAME = re.compile(r"items?((?:_\d{3})+)")
ITEM_IN_COMMENT = re.compile(r"items? (\d{1,3})(?!\d)")
ROW = re.compile(r"^\| (\d[\d.]*(?:-\d+)?) \|(.*)\|$")


def statements(text):
    """The (version, id) pairs that a piece of source cites."""
    for citation in CITATION.finditer(text):
        everywhere_v3 = bool(citation.group(1))
        section = None
        here_v3 = False
        for one in STATEMENT.finditer(citation.group(0)):
            if one.group(2):
                section = one.group(2)
                here_v3 = bool(one.group(1)) or bool(re.match(r"\[v3", citation.group(0).lstrip("v3: ")))
            if section is None:
                continue
            version = "v3" if everywhere_v3 or here_v3 else "v5"
            last = int(one.group(4) or one.group(3))
            for number in range(int(one.group(3)), last + 1):
                yield version, f"{section}-{number}"


def items(name, text):
    for numbers in ITEM_IN_NAME.findall(name):
        for number in numbers.strip("_").split("_"):
            yield "item", str(int(number))
    for comment in re.findall(r"(?://|#|<<).*", text):
        for number in ITEM_IN_COMMENT.findall(comment):
            yield "item", number


def with_comment(source, start):
    """Where the comment lines directly above a test begin."""
    before = source[:start].rstrip("\n").split("\n")
    while before and re.match(r"\s*(//|#|@)", before[-1]):
        before.pop()
    return len("\n".join(before))


def all_tests():
    """Test name -> what it cites."""
    found = {}
    for path in sorted((ROOT / "tests").rglob("*")):
        kinds = {".cpp": CPP_TEST, ".py": PYTHON_TEST, ".js": JS_TEST, ".mjs": JS_TEST}
        pattern = kinds.get(path.suffix)
        if pattern is None or "lint" in path.parts or not path.is_file():
            continue
        source = path.read_text(errors="replace")
        begins = list(pattern.finditer(source))
        starts = [with_comment(source, begin.start()) for begin in begins] + [len(source)]
        for begin, start, end in zip(begins, starts, starts[1:]):
            name = ".".join(begin.groups()) if path.suffix == ".cpp" else f"{path.stem}.{begin.group(1)}"
            body = source[start:end]
            cited = set(statements(body)) | set(items(begin.group(0), body))
            found.setdefault(name, set()).update(cited)
    return found


class Row:
    """One line of a table: cells are id, gist, [as], state, tests, [note is part of gist]."""

    def __init__(self, kind, line):
        self.kind = kind
        self.cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        self.id = self.cells[0]

    @property
    def same_as(self):
        return self.cells[2] if self.kind == "v3" else ""

    @property
    def state(self):
        return self.cells[-2]

    @property
    def tests(self):
        return re.findall(r"`([^`]+)`", self.cells[-1])

    @tests.setter
    def tests(self, names):
        self.cells[-1] = ", ".join(f"`{name}`" for name in names)

    def line(self):
        return "| " + " | ".join(self.cells) + " |"


def read_document():
    """The document's lines, those of tables as Row."""
    kind = None
    lines = []
    for line in DOCUMENT.read_text().splitlines():
        if line.startswith("## "):
            titles = {"## MQTT 5.0": "v5", "## MQTT 3.1.1": "v3", "## Checklist": "item"}
            kind = next((k for title, k in titles.items() if line.startswith(title)), None)
        lines.append(Row(kind, line) if kind and ROW.match(line) else line)
    return lines


def update(rows, tests):
    for row in rows:
        cited = {name for name, what in tests.items() if (row.kind, row.id) in what}
        row.tests = sorted(cited | {name for name in row.tests if name in tests})


def faults(rows, tests):
    by_id = {(row.kind, row.id): row for row in rows}
    for kind, count in EXPECTED.items():
        have = sum(1 for row in rows if row.kind == kind)
        if have != count:
            yield f"the table of {kind} has {have} rows instead of {count}"
    for row in rows:
        where = f"{row.kind} {row.id}"
        if row.state not in STATES:
            yield f"{where}: the state '{row.state}' is none of {', '.join(sorted(STATES))}"
        for name in row.tests:
            if name not in tests:
                yield f"{where}: there is no test {name}"
        same = by_id.get(("v5", row.same_as)) if row.same_as else None
        if row.same_as and same is None:
            yield f"{where}: refers to 5.0 {row.same_as}, which is not in the table"
        if row.state == "done" and not row.tests and not (same and same.tests):
            yield f"{where}: is called done, and no test proves it"
    for name, cited in tests.items():
        for kind, number in sorted(cited):
            if (kind, number) not in by_id:
                yield f"the test {name} cites {kind} {number}, which does not exist"


def main():
    tests = all_tests()
    lines = read_document()
    rows = [line for line in lines if isinstance(line, Row)]
    if "--update" in sys.argv[1:]:
        update(rows, tests)
        DOCUMENT.write_text("\n".join(l.line() if isinstance(l, Row) else l for l in lines) + "\n")
    found = list(faults(rows, tests))
    for fault in found:
        print(f"{DOCUMENT.relative_to(ROOT)}: {fault}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
