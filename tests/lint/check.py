#!/usr/bin/env python3
"""The rules of the house that a machine can see: layers, sizes, documentation of tables, the top level.

usage: tests/lint/check.py [layers|size|tables|top|self]…     all by default; prints every breach, exit 1 if there is one.
`self` breaks each rule in a copy of one file and sees the check complain.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
ROOMS = ("base", "proto", "sandbox", "snapshotter", "daemon", "client", "rootlesskit")
MAX_FILE_LINES, MAX_FUNCTION_LINES = 600, 100
TOP_LEVEL = {"CMakeLists.txt", "README.md", "base", "proto", "sandbox", "snapshotter", "daemon", "client", "rootlesskit", "docs", "tests",
             ".ci", ".gitignore", ".clang-format", ".clang-tidy", "CMakePresets.json", "LICENSE"}


def sources(top=TOP, folders=ROOMS + ("tests",)):
    for folder in folders:
        for path in sorted((top / folder).rglob("*")):
            if path.suffix in (".cc", ".h"):
                yield path


def load_layers(text):
    layers = {}
    for line in text.splitlines():
        line = line.split("#")[0].strip()
        if line:
            room, _, rest = line.partition(":")
            layers[room.strip()] = rest.split()
    return layers


def room_of(include, layers, generated):
    if include in generated:
        return "api"
    folder = include.rpartition("/")[0]
    return folder if folder in layers else None


def check_layers(top=TOP):
    layers = load_layers((top / "tests/lint/layers.txt").read_text())
    generated = set()
    for proto in (top / "proto/api").rglob("*.proto"):
        stem = str(proto.relative_to(top / "proto/api"))[: -len(".proto")]
        generated |= {stem + ".pb.h", stem + ".grpc.pb.h"}
    for path in sources(top, ROOMS):
        room = str(path.parent.relative_to(top))
        if room not in layers:
            yield f"{path.relative_to(top)}: room {room} is not in tests/lint/layers.txt"
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            found = re.match(r'#include "([^"]+)"', line)
            if not found or found.group(1).startswith(("absl/", "google/")):
                continue
            target = room_of(found.group(1), layers, generated)
            where = f"{path.relative_to(top)}:{number}"
            if target is None:
                yield f"{where}: {found.group(1)} belongs to no room of tests/lint/layers.txt"
            elif target != room and target not in layers[room] and layers[room] != ["*"]:
                yield f"{where}: {room} may not include {target} (an arrow is one line in tests/lint/layers.txt)"


def functions(lines):
    """(first line, lines) of every block that looks like a function: opened at an indentation and closed at the same one."""
    for start, line in enumerate(lines):
        if not line.endswith("{") or re.match(r"\s*(namespace|class|struct|enum|union|extern|constexpr|const|static const|inline constexpr|if|for|while|switch|do|else|\}|case|default)\b|.*[=,]\s*\{$|.*\breturn\b", line):
            continue
        if "(" not in line and not line.startswith((" ", ")")):
            continue
        indent = len(line) - len(line.lstrip())
        if indent > 2:
            continue
        for end in range(start + 1, len(lines)):
            if lines[end].startswith(" " * indent + "}") and len(lines[end]) - len(lines[end].lstrip()) == indent:
                yield start + 1, end - start + 1
                break


def check_size(top=TOP):
    for path in sources(top):
        lines = path.read_text().splitlines()
        if len(lines) > MAX_FILE_LINES:
            yield f"{path.relative_to(top)}: {len(lines)} lines, more than {MAX_FILE_LINES}"
        for first, count in functions(lines):
            if count > MAX_FUNCTION_LINES:
                yield f"{path.relative_to(top)}:{first}: a function of {count} lines, more than {MAX_FUNCTION_LINES}"


def check_tables(top=TOP):
    """Every row `{"name", …` of a table.cc stands in a page of docs/ as `name`."""
    pages = "\n".join(page.read_text() for page in sorted((top / "docs").glob("*.md")))
    for path in sources(top, ROOMS):
        if path.name != "table.cc":
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            row = re.match(r'\s+\{"([^"]+)",', line)
            if row and f"`{row.group(1)}`" not in pages and f"`--{row.group(1)}`" not in pages:
                yield f"{path.relative_to(top)}:{number}: `{row.group(1)}` has no line in docs/"


def check_top(top=TOP):
    known = subprocess.run(["git", "-C", str(top), "ls-files"], capture_output=True, text=True, check=True).stdout.split("\n")
    for name in sorted({line.split("/")[0] for line in known if line} - TOP_LEVEL):
        yield f"{name}: not part of the top level (docs/architecture.md, section 1)"


CHECKS = {"layers": check_layers, "size": check_size, "tables": check_tables, "top": check_top}


def check_self():
    """Each rule notices a breach."""
    with tempfile.TemporaryDirectory() as temporary:
        top = pathlib.Path(temporary)
        for folder in ROOMS + ("tests/lint", "docs", "proto/api", "daemon/solver", "daemon/exporter"):
            (top / folder).mkdir(parents=True, exist_ok=True)
        (top / "tests/lint/layers.txt").write_text("base:\ndaemon/solver: base\ndaemon/exporter: base\n")
        (top / "daemon/solver/bad.cc").write_text('#include "daemon/exporter/exporter.h"\n')
        (top / "base/long.cc").write_text("void F() {\n" + "  x();\n" * 700 + "}\n")
        (top / "daemon/exporter/table.cc").write_text('constexpr Row kRows[] = {\n    {"nowhere", 1},\n};\n')
        for name, want in (("layers", 1), ("size", 2), ("tables", 1)):
            got = list(CHECKS[name](top))
            if len(got) != want:
                yield f"self: {name} said {got}, {want} breaches expected"


def main():
    breaches = []
    for name in sys.argv[1:] or [*CHECKS, "self"]:
        breaches += list((check_self if name == "self" else CHECKS[name])())
    print("\n".join(breaches) if breaches else "lint: clean")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
