"""What goes wrong on boards, one test for each: caches, interrupts, event loops, stale and wrong designs, clocks."""
from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import numpy as np
import pynq
import pytest
from board_helpers import copied, copy_program

import nigiri
from nigiri.runtime import pynq_ip
from nigiri.runtime.board import BoardDevice
from nigiri.runtime.driver import WORD, Driver
from nigiri.runtime.errors import BadAddress, BadArgument, DeviceError, DeviceTimeout, WrongConfiguration
from nigiri.runtime.interrupts import loop_thread
from nigiri.spec import get_config
from nigiri.spec.boards import get_board
from nigiri.spec.registers import Status, address
from nigiri_sim.board.buffers import FreedBuffer
from nigiri_sim.board.bus import BusError
from nigiri_sim.board.device import SimulatedBoard
from nigiri_sim.board.interrupts import WrongLoop
from nigiri_sim.board.write import path_of

TINY = get_config("tiny")
SMALL = get_config("pynq_z2")
SPENT = np.arange(2 * WORD, dtype=np.uint8) % 100


def opened(board: SimulatedBoard, **kwargs) -> BoardDevice:
    return nigiri.connect("pynq", **kwargs)


# caches

@pytest.mark.parametrize("core", ["golden", "rtl"])
def test_missing_flush_and_missing_invalidate_are_seen(simulated, core):
    """Data that the host has not flushed does not reach the accelerator; its results reach nobody who does not look."""
    board = simulated("zcu104", core, config=TINY)
    with opened(board) as device, Driver(device) as driver:
        driver.attach(64 * WORD)
        assert np.array_equal(copied(driver, SPENT), SPENT)
        window = next(iter(device._buffers.values()))
        window[4 * WORD:6 * WORD] = 0x77                    # not flushed
        driver.run(0, 2)
        assert np.array_equal(driver.read(6, SPENT.size), SPENT)
        window[4 * WORD:6 * WORD] = 0x77
        window[4 * WORD:6 * WORD].flush()
        driver.run(0, 2)
        assert (window[6 * WORD:8 * WORD] != 0x77).all()    # not invalidated
        assert (driver.read(6, SPENT.size) == 0x77).all()


def test_fresh_buffers_are_zero_for_both_sides(simulated):
    board = simulated("zcu104", "golden", config=TINY)
    with pynq.allocate((4096,), "u1") as raw:
        assert (raw == 0xA5).all()                          # what pynq itself gives: anything
    with opened(board) as device:
        where = device.alloc(4096)
        assert not device.read(where, 4096).any() and not board.core.memory.host(where, 4096).any()
        device.free(where)


def test_copies_of_buffers_have_no_address(simulated):
    """pynq gives them one, computed from virtual addresses; a view keeps its own."""
    board = simulated("kv260", "golden", config=TINY)
    with pynq.allocate((4, 8), "i4") as a:
        assert a[1].device_address == a.device_address + 32
        assert (a + 1).device_address is None and a.copy().device_address is None
    with opened(board) as device:
        where = device.alloc(4096)
        assert type(device.read(where, 16)) is np.ndarray
        device.free(where)


def test_a_freed_buffer_is_not_synchronised(simulated):
    simulated("kv260", "golden", config=TINY)
    buffer = pynq.allocate((16,), "u1")
    buffer.freebuffer()
    with pytest.raises(FreedBuffer, match=r"^the buffer at 0x800000000 has been freed: allocate another one$"):
        buffer.flush()


@pytest.mark.parametrize("whole", [False, True])
def test_synchronising_a_part(simulated, whole):
    """From pynq 3.1 on a part takes the whole buffer with it, changes that were not flushed included."""
    simulated("zcu104", "golden", config=TINY, whole=whole)
    with pynq.allocate((4096,), "u1") as buffer:
        buffer[:] = 1
        buffer.flush()
        buffer[:64], buffer[2048:] = 2, 2
        buffer[2048:].invalidate()
        assert (buffer[2048:] == 1).all() and (buffer[:64] == (1 if whole else 2)).all()


# interrupts

@pytest.mark.parametrize("edge", [True, False], ids=["edge", "level"])
def test_interrupts_early_late_and_spurious(simulated, board_name, edge):
    """Many short programs one after the other, with interrupts that others have left behind."""
    board = simulated(board_name, "rtl", config=TINY, edge=edge)
    with opened(board) as device, Driver(device) as driver:
        assert device.interrupts
        driver.attach(1024 * WORD)
        for n in range(6):
            data = np.random.default_rng(n).integers(0, 256, 256 * WORD, dtype=np.uint8)
            assert np.array_equal(copied(driver, data), data)
            if n % 2:                                       # finished without anybody waiting: the pin stays high
                driver.set_register("CONTROL", 1)
                while driver.register("STATUS") & Status.BUSY:
                    pass
                assert board.core.interrupt
        assert device.woken > 0 and board.interrupts > 0


def test_a_lost_interrupt_costs_a_look_and_no_more(simulated):
    board = simulated("zcu104", "rtl", config=TINY)
    with opened(board) as device, Driver(device) as driver:
        driver.attach(1024 * WORD)
        board._raise_lines = board._intc._output = lambda level: None
        assert np.array_equal(copied(driver, SPENT), SPENT)
        assert device.woken == 0 and device.polled > 0


def test_without_an_interrupt_controller_status_is_polled(simulated, tmp_path):
    from nigiri_sim.board.hwh import write_overlay

    board = simulated("kv260", "rtl", config=TINY)
    path = write_overlay(board.board, tmp_path / "nigiri.bit", interrupts=False)
    with opened(board, bitstream=path) as device, Driver(device) as driver:
        assert not device.interrupts
        driver.attach(1024 * WORD)
        assert np.array_equal(copied(driver, SPENT), SPENT)


def test_a_program_that_hangs_times_out(simulated):
    board = simulated("zcu104", "rtl", config=TINY)
    with opened(board) as device, Driver(device, timeout_cycles=0) as driver:
        base = driver.attach(1024 * WORD)
        driver.write(0, copy_program(2, 4, 6))
        board.core.memory.inject(base + 4 * WORD, WORD, "silent")
        with pytest.raises(DeviceTimeout, match=r"^device 'pynq' is not ready after 0\.2 s, STATUS is 0x1: reset it"):
            driver.run(0, 2, timeout_s=0.2)
        board.core.memory.heal()
        driver.reset()
        assert np.array_equal(copied(driver, SPENT), SPENT)


def test_a_wait_that_was_given_up_costs_nothing(simulated):
    """pynq keeps such a wait in its list; simulated time stands still all the same until a register is written."""
    board = simulated("zcu104", "rtl", config=TINY)
    with opened(board) as device, Driver(device) as driver:
        driver.attach(1024 * WORD)
        interrupt = device._core.interrupt

        async def given_up():
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(interrupt.wait(), 0.05)
        loop_thread().run(given_up())
        time.sleep(0.05)
        before = board.core.cycles
        time.sleep(0.2)
        assert board.core.cycles == before
        assert np.array_equal(copied(driver, SPENT), SPENT)


# event loops and threads

def test_any_number_of_event_loops(simulated):
    """pynq's interrupts come in one loop only; ours are awaited from any, one after the other and beside others."""
    simulated("zcu104", "rtl", config=SMALL)
    image = nigiri.examples(1)[0][0]

    async def both(engine):
        return await asyncio.gather(*(engine.infer_async("min", image) for _ in range(2)))
    with nigiri.connect() as device, nigiri.load("demo", device) as engine:
        expected = engine.infer("min", image).logits
        for _ in range(2):
            assert all(np.array_equal(a.logits, expected) for a in asyncio.run(both(engine)))


def test_the_wrong_loop_is_an_error_and_not_a_hang(simulated):
    simulated("zcu104", "golden", config=TINY)
    with nigiri.connect() as device:
        interrupt = device._core.interrupt
        with pytest.raises(WrongLoop, match="belongs to another event loop"):
            asyncio.run(interrupt.wait())


def test_threads_share_an_engine(simulated):
    simulated("kv260", "golden", config=SMALL)
    images, _ = nigiri.examples(4)
    with nigiri.connect() as device, nigiri.load("demo", device) as engine:
        expected = [engine.infer("min", i).logits for i in images]
        wrong: list[int] = []

        def work(n):
            for _ in range(3):
                if not np.array_equal(engine.infer("min", images[n]).logits, expected[n]):
                    wrong.append(n)
        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert not wrong


# designs

def test_stale_metadata_is_thrown_away(simulated, monkeypatch):
    """pynq keeps the description of the last design and may serve its addresses for the next one."""
    state = pytest.importorskip("pynq.pl_server.global_state")
    cleared = []
    monkeypatch.setattr(state, "clear_global_state", lambda: cleared.append(True))
    simulated("zcu104", "golden", config=TINY)
    nigiri.connect().close()
    assert cleared == [True]


def test_wrong_address_is_noticed_before_anything_is_started(simulated, tmp_path):
    """As with stale metadata: registers are looked for where there are none."""
    from nigiri_sim.board.hwh import write_overlay

    board = simulated("zcu104", "golden", config=TINY)
    path = write_overlay(board.board, tmp_path / "nigiri.bit")
    device = nigiri.connect(bitstream=path)
    board.bus.remove(board.board.ip_base)
    with pytest.raises(BusError, match=r"nothing answers 4 bytes at 0xa0000000; is the right bitstream loaded\?$"):
        Driver(device)
    board.bus.add(board.board.ip_base, 0x10000, _Zeros())
    with pytest.raises(DeviceError, match="has product ID 0x00000000, not 0x4952474e"):
        Driver(device)
    board.bus.remove(board.board.ip_base)
    board.bus.add(board.board.ip_base, 0x10000, _Zeros())
    device._interrupt = None
    device.close()


class _Zeros:
    def read(self, offset):
        return 0

    def write(self, offset, value):
        pass


def test_another_overlay_replaces_the_first(simulated):
    board = simulated("zcu104", "golden", config=TINY)
    first = nigiri.connect()
    with Driver(first) as driver:
        driver.attach(64 * WORD)
        second = nigiri.connect()
        with pytest.raises(DeviceError, match=r"^another overlay has been loaded since this one: connect again$"):
            copied(driver, SPENT)
    with Driver(second) as driver:
        driver.attach(64 * WORD)
        assert np.array_equal(copied(driver, SPENT), SPENT)
    assert len(board.loaded) == 2
    first.close()
    second.close()
    with pytest.raises(DeviceError, match=r"^the board is closed: connect again$"):
        second.alloc(1)


def test_unknown_digest(simulated):
    from dataclasses import replace

    simulated("zcu104", "golden", config=replace(TINY, name="mine", db_words=512))
    with pytest.raises(WrongConfiguration, match=r"^the bitstream holds a configuration with digest 0x[0-9a-f]{8}, "
                                                 r"which this software does not know \(tiny, .*: load a"):
        nigiri.connect()
    nigiri.connect(config=replace(TINY, name="mine", db_words=512)).close()


# clocks

def test_clock_is_set_and_read_back(simulated, board_name):
    board = get_board(board_name)
    simulated(board_name, "golden")
    with nigiri.connect() as device:
        assert device.clock_mhz == pytest.approx(board.fclk_mhz, rel=1e-3)
        assert device.set_clock(board.fclk_mhz / 2) == pytest.approx(board.fclk_mhz / 2, rel=0.05)
        assert pynq.Clocks.fclk0_mhz == device.clock_mhz
        for bad in (0, -1, board.fclk_mhz * 1.01):
            with pytest.raises(BadArgument, match=r"^the clock must be positive and at most the [0-9]+ MHz that the "
                                                  r"bitstream was built for, not "):
                device.set_clock(bad)


def test_another_pll_than_the_design_was_made_for(simulated):
    """pynq divides whatever PLL there is; boot firmware that leaves it at 1,500 MHz would give 300 in place of 200."""
    simulated("kv260", "golden", iopll_mhz=1500)
    with nigiri.connect() as device:
        assert 150 < device.clock_mhz <= 200.2


# addresses and integers

def test_buffers_above_4_gib(simulated):
    simulated("kv260", "rtl", config=TINY)
    with nigiri.connect() as device, Driver(device) as driver:
        assert driver.attach(64 * WORD) >= 1 << 32
        assert driver.register("WINDOW_BASE_HI") == 8
        assert np.array_equal(copied(driver, SPENT), SPENT)


def test_registers_take_any_integer(simulated):
    simulated("zcu104", "golden", config=TINY)
    with nigiri.connect() as device:
        where = address("TIMEOUT")
        for value, kept in ((np.uint32(7), 7), (np.int64(8), 8), (-1, 0xFFFFFFFF), (1 << 40 | 5, 5)):
            device.write_register(np.int64(where), value)
            assert device.read_register(where) == kept
        for bad in (-4, 2, 4096):
            with pytest.raises(BadAddress):
                device.read_register(bad)
            with pytest.raises(BadArgument, match="must be a multiple of 4 below 0x1000"):
                device._core.read(bad)


def test_register_map_has_the_specification(simulated):
    from nigiri.spec import ip

    simulated("zcu104", "rtl", config=TINY)
    overlay = pynq_ip.load_overlay(path_of(get_board("zcu104")))
    core = overlay.nigiri_0
    assert isinstance(core, pynq_ip.NigiriIP)
    for r in ip.ip_registers():
        if r.access != "write-only":
            assert getattr(core.register_map, r.name) is not None
    assert int(core.register_map.PRODUCT_ID) == 0x4952474E
    core.register_map.FILL_COUNT = 12
    assert core.read(address("FILL_COUNT")) == 12
    assert core.register_map.STATUS.RESETTING in (0, 1)
    del core


def test_out_of_memory(simulated):
    simulated("zcu104", "golden", config=TINY)
    with nigiri.connect() as device:
        with pytest.raises(DeviceError, match="no gap of"):
            device.alloc(1 << 40)
        with pytest.raises(BadArgument, match="at least 1 byte"):
            device.alloc(0)
        with pytest.raises(BadAddress, match="there is no buffer at 0x1000"):
            device.free(0x1000)
        with pytest.raises(BadAddress, match="are not inside an allocated buffer"):
            device.read(0x1000, 4)
        assert Path(device._overlay.bitfile_name).name == "nigiri.Simulated-ZCU104.bit"
