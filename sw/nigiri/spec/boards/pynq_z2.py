"""PYNQ-Z2: Zynq XC7Z020, 512 MiB DDR3."""
from nigiri.spec.boards.board import Board

BOARD = Board(
    name="pynq_z2", pynq_name="Pynq-Z2", title="PYNQ-Z2", family="zynq", part="xc7z020clg400-1",
    board_part="tul.com.tw:pynq-z2:part0:1.0", config="pynq_z2", fclk_mhz=100, iopll_mhz=1000, ip_base=0x43C0_0000,
    intc_base=0x4180_0000, memory_base=0x1000_0000, memory_bytes=128 << 20, pynq="3.1", image="PYNQ v3.1")
