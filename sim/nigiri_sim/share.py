"""One copy of the code of a module that a design has many times.

Verilator flattens the hierarchy, so the array's lane pairs become as many copies of the same C++, more than a
processor's caches hold.  A module that is not flattened keeps one class; its instances' functions are merged where they
are the same, which they are when they touch nothing outside the instance.  But Verilator puts what drives an input in
place of the input.  It cannot do so with an input that goes through an XOR with a register, of which only we know that
it is always zero.
"""
from __future__ import annotations

import re
from functools import cache

__all__ = ["share"]

INSTANCES, LINES = 4, 2000
"""Modules with at least so many instances, and lines with everything below them, are worth it."""

MODULE = re.compile(r"^module (\S+) *\(.*?^endmodule$", re.S | re.M)
CELL = re.compile(r"^  (\S+) +\S+ \($", re.M)
INPUT = re.compile(r"^  input (?:\[(\d+):0\] )?(\S+) ?;$", re.M)
DECLARATION = re.compile(r"^  (?:input|output|wire|reg) (?:\[\d+:0\] )?(\S+) ?;$")
NAME = re.compile(r"(?<![\w.$\\'])(\\\S+|[A-Za-z_]\w*)")


def share(verilog: str) -> str:
    """`verilog`, as Amaranth's Yosys writes it, with all modules marked that are worth it; cycle for cycle the same."""
    bodies = {m[1]: m[0] for m in MODULE.finditer(verilog)}
    cells = {name: [c for c in CELL.findall(body) if c in bodies] for name, body in bodies.items()}

    @cache
    def lines(name: str) -> int:
        return bodies[name].count("\n") + sum(map(lines, cells[name]))

    used = [c for inside in cells.values() for c in inside]
    for name, body in bodies.items():
        if used.count(name) >= INSTANCES and lines(name) >= LINES and re.search(r"^  input clk ?;$", body, re.M):
            verilog = verilog.replace(body, _isolated(body))
    return verilog


def _isolated(body: str) -> str:
    head, end, rest = body.partition(");")
    inputs = {name: int(top or 0) + 1 for top, name in INPUT.findall(rest) if name != "clk"}
    inside = {name: f"nigiri_in{n}" for n, name in enumerate(inputs)}
    lines = [f"{head}{end} /*verilator no_inline_module*/", "  reg nigiri_zero = 1'b0;",
             f"  always @(posedge clk) nigiri_zero <= nigiri_zero & ^{next(iter(inputs))} ;"]
    for name, width in inputs.items():
        lines += [f"  wire [{width - 1}:0] {inside[name]};",
                  f"  assign {inside[name]} = {name} ^ {{{width}{{nigiri_zero}}}};"]
    for line in rest.split("\n"):
        declared = DECLARATION.match(line)
        if not declared or declared[1] not in inputs:
            line = NAME.sub(lambda m: inside.get(m[1], m[1]), line)
        lines.append(line)
    return "\n".join(lines)
