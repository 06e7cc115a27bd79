"""cocotb bench with a failing test, to show that the runner notices."""
import cocotb


@cocotb.test()
async def fails(dut):
    raise AssertionError("planted failure")
