"""Kria KV260: K26 module (Zynq UltraScale+ XCK26), 4 GiB DDR4, half of it above 4 GiB."""
from nigiri.spec.boards.board import Board

BOARD = Board(
    name="kv260", pynq_name="KV260", title="Kria KV260", family="zynquplus", part="xck26-sfvc784-2LV-c",
    board_part="xilinx.com:kv260_som:part0:1.4", config="kv260", fclk_mhz=200, iopll_mhz=1000, ip_base=0xA000_0000,
    intc_base=0xA001_0000, memory_base=0x8_0000_0000, memory_bytes=256 << 20, pynq="3.0.1",
    image="Kria-PYNQ on Ubuntu 22.04")
