"""Modules that share their code: which are chosen, what becomes of them.  Programs on `small` run on such a model."""
from __future__ import annotations

import pytest

from nigiri_sim.share import INSTANCES, LINES, share

FILLER = "\n".join(f"  wire w{n};" for n in range(LINES))
PART = f"""module \\top.part (a, b, clk);
  input [7:0] a;
  wire [7:0] a;
  input clk;
  output [7:0] b;
  reg [7:0] b;
  input \\odd$1 ;
{FILLER}
  always @(posedge clk)
    b <= a + \\odd$1 ;
endmodule
"""


def design(part: str, count: int) -> str:
    cells = "".join(f"  \\top.part  part_{n} (\n    .a(x),\n    .b(y{n}),\n    .clk(clk),\n    .\\odd$1 (z)\n  );\n"
                    for n in range(count))
    return f"{part}module top (x, z, clk);\n  input [7:0] x;\n  input z;\n  input clk;\n{cells}endmodule\n"


def test_inputs_of_a_repeated_module_are_isolated():
    text = design(PART, INSTANCES)
    shared = share(text)
    assert shared.startswith("module \\top.part (a, b, clk); /*verilator no_inline_module*/")
    assert "  assign nigiri_in0 = a ^ {8{nigiri_zero}};" in shared
    assert "  assign nigiri_in1 = \\odd$1  ^ {1{nigiri_zero}};".replace("  ^", " ^") in shared.replace("  ^", " ^")
    assert "b <= nigiri_in0 + nigiri_in1 ;" in shared and "  input [7:0] a;" in shared and "  input \\odd$1 ;" in shared
    # The instances, and everything else, stay as they are.
    assert shared.endswith(text[text.index("module top"):])


@pytest.mark.parametrize(("part", "count"), [
    (PART, INSTANCES - 1), (PART.replace(FILLER, ""), INSTANCES), (PART.replace("  input clk;\n", ""), INSTANCES)],
    ids=["few", "small", "no clock"])
def test_others_are_not(part, count):
    text = design(part, count)
    assert share(text) == text

