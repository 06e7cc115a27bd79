"""ZCU104: Zynq UltraScale+ XCZU7EV, 2 GiB DDR4."""
from nigiri.spec.boards.board import Board

BOARD = Board(
    name="zcu104", pynq_name="ZCU104", title="ZCU104", family="zynquplus", part="xczu7ev-ffvc1156-2-e",
    board_part="xilinx.com:zcu104:part0:1.1", config="zcu104", fclk_mhz=300, iopll_mhz=1500, ip_base=0xA000_0000,
    intc_base=0xA001_0000, memory_base=0x1000_0000, memory_bytes=256 << 20, pynq="3.1, 4.0", image="PYNQ v3.1 or v4.0")
