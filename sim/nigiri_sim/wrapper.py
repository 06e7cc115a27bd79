"""Verilog round the accelerator for cocotb: the IDs that cocotbext-axi insists on, and a monitor for every channel."""
from __future__ import annotations

__all__ = ["id_wrapper"]

_PINS = (  # name, width in bits (0: data, -1: strobes), driven by the accelerator
    ("araddr", 40, True), ("arlen", 8, True), ("arsize", 3, True), ("arburst", 2, True), ("arcache", 4, True),
    ("arprot", 3, True), ("arvalid", 1, True), ("arready", 1, False), ("rdata", 0, False), ("rresp", 2, False),
    ("rlast", 1, False), ("rvalid", 1, False), ("rready", 1, True), ("awaddr", 40, True), ("awlen", 8, True),
    ("awsize", 3, True), ("awburst", 2, True), ("awcache", 4, True), ("awprot", 3, True), ("awvalid", 1, True),
    ("awready", 1, False), ("wdata", 0, True), ("wstrb", -1, True), ("wlast", 1, True), ("wvalid", 1, True),
    ("wready", 1, False), ("bresp", 2, False), ("bvalid", 1, False), ("bready", 1, True))
_LITE = (("awaddr", 12), ("awprot", 3), ("awvalid", 1), ("wdata", 32), ("wstrb", 4), ("wvalid", 1), ("bready", 1),
         ("araddr", 12), ("arprot", 3), ("arvalid", 1), ("rready", 1))
_LITE_OUT = (("awready", 1), ("wready", 1), ("bresp", 2), ("bvalid", 1), ("arready", 1), ("rdata", 32), ("rresp", 2),
             ("rvalid", 1))
_WATCH = """
module nigiri_watch #(parameter WIDTH = 1, parameter [127:0] NAME = 0) (
  input clk, input resetn, input valid, input ready, input [WIDTH-1:0] payload);
  reg held;
  reg [WIDTH-1:0] last;
  always @(posedge clk) begin
    if (resetn && held && !valid) begin
      $display("error: %0s: valid falls before ready", NAME);
      $finish;
    end
    if (resetn && held && valid && payload != last) begin
      $display("error: %0s: the payload changes before ready", NAME);
      $finish;
    end
    held <= resetn && valid && !ready;
    last <= payload;
  end
endmodule
"""


def _watch(prefix: str, channel: str, payload: list[str]) -> str:
    """An instance of the monitor: valid, once high, stays high with the same payload until ready (AMBA AXI, section on
    the handshake); what breaks this ends the simulation, and with it the test."""
    name = f"{prefix}_{channel}"
    width = " + ".join(f"$bits({p})" for p in payload)
    return (f'  nigiri_watch #(.WIDTH({width}), .NAME("{name}")) watch_{name} (.clk(aclk), .resetn(aresetn), '
            f".valid({name}valid), .ready({name}ready), .payload({{{', '.join(payload)}}}));")


def id_wrapper(top: str, ports: int, port_bits: int) -> str:
    """Verilog of module `bench`: `top` with one-bit AXI IDs, which are always 0, and a monitor of every channel that it
    drives."""
    pins = [("input", 1, "aclk"), ("input", 1, "aresetn"), ("output", 1, "interrupt")]
    pins += [("input", w, f"s_axi_{n}") for n, w in _LITE] + [("output", w, f"s_axi_{n}") for n, w in _LITE_OUT]
    ids, watched = [], [_watch("s_axi", "b", ["s_axi_bresp"]), _watch("s_axi", "r", ["s_axi_rdata", "s_axi_rresp"])]
    for n in range(ports):
        for name, width, out in _PINS:
            bits = {0: port_bits, -1: port_bits // 8}.get(width, width)
            pins.append(("output" if out else "input", bits, f"m{n}_axi_{name}"))
        ids += [("output", f"m{n}_axi_{c}id") for c in ("ar", "aw")] + [("input", f"m{n}_axi_{c}id") for c in "rb"]
        for channel in ("ar", "aw", "w"):
            payload = [f"m{n}_axi_{name}" for name, _, out in _PINS if out and name.startswith(channel)
                       and name.removeprefix(channel) not in ("valid", "ready")]
            watched.append(_watch(f"m{n}_axi", channel, payload))
    declared = [f"{d} [{w - 1}:0] {p}" if w > 1 else f"{d} {p}" for d, w, p in pins] + [f"{d} {p}" for d, p in ids]
    lines = [_WATCH, "module bench (", ",\n".join(f"  {d}" for d in declared), ");"]
    lines += [f"  assign {p} = 0;" for d, p in ids if d == "output"]
    lines += watched
    lines += [f"  {top} device (", ",\n".join(f"    .{p}({p})" for _, _, p in pins), "  );", "endmodule", ""]
    return "\n".join(lines)
