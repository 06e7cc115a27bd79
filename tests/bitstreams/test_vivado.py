"""Vivado's scripts without Vivado: run by Tcl over stubs that record what they would do."""
from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from nigiri.cli import main
from nigiri.spec import get_config, ip
from nigiri.spec.boards import BOARDS
from nigiri_hw.build import vivado
from nigiri_hw.build.vivado import registers_tcl, settings_tcl, write_inputs

ROOT = Path(__file__).parents[2]
SCRIPTS, STUBS = ROOT / "bitstreams/vivado", Path(__file__).with_name("stubs.tcl")
DUMP = 'foreach line $::record { puts [join $line "\\t"] }\n'


def tcl(script: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Run Tcl text with the interpreter that is there: tclsh, or the one inside Python."""
    path = tmp_path / "run.tcl"
    path.write_text(script)
    if shutil.which("tclsh"):
        command = ["tclsh", str(path)]
    else:
        pytest.importorskip("tkinter")
        command = ["python3", "-c", f"import tkinter; tkinter.Tcl().eval(open({str(path)!r}).read())"]
    return subprocess.run(command, capture_output=True, text=True)


def build(board, tmp_path, monkeypatch, before: str = "", parts: str | None = None) -> subprocess.CompletedProcess[str]:
    monkeypatch.setattr(vivado, "generate", lambda config: "// Verilog\n")
    settings = write_inputs(board, get_config(board.config), tmp_path / "work")
    known = board.board_part if parts is None else parts
    return tcl(f"source {STUBS}\nset board_parts {{{known}}}\n"
               f"set argv [list {settings}]\n{before}\nset argv0 build\nsource {SCRIPTS / 'build.tcl'}\n{DUMP}",
               tmp_path)


@pytest.fixture(params=sorted(BOARDS))
def board(request):
    return BOARDS[request.param]


def test_the_whole_build(board, tmp_path, monkeypatch):
    """Every register packaged, every port connected, addresses as on the desktop, both files copied."""
    done = build(board, tmp_path, monkeypatch)
    assert done.returncode == 0, done.stderr
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    calls = {name: [line[1:] for line in lines if line[0] == name] for name in {line[0] for line in lines}}
    config = get_config(board.config)

    packaged = [call[0] for call in calls["ipx::add_register"]]
    assert packaged == [r.name for r in ip.ip_registers()]
    assert [c[0] for c in calls["ipx::add_field"]] == [f.name for r in ip.ip_registers() for f in r.fields]
    for r in ip.ip_registers():
        wanted = f"address_offset {r.offset:#05x} size {r.size} access {r.access} description"
        assert any(call[1].startswith(wanted) for call in calls["set_property"] if len(call) > 2), r.name
    associated = [call[1] for call in calls["ipx::associate_bus_interfaces"]]
    assert associated == ["s_axi", *(f"m{n}_axi" for n in range(config.ports))]

    buses = ["->".join(call) for call in calls["connect_bd_intf_net"]]
    for n in range(config.ports):
        assert any(f"nigiri_0/m{n}_axi" in b and f"data_{n}/S00_AXI" in b for b in buses)
    nets = ["->".join(call) for call in calls["connect_bd_net"]]
    assert any("nigiri_0/interrupt" in n and "axi_intc_0/intr" in n for n in nets)
    line = {"zynq": "IRQ_F2P", "zynquplus": "pl_ps_irq0"}[board.family]
    assert any("axi_intc_0/irq" in n and line in n for n in nets)
    placed = {call[1] for call in calls["assign_bd_address"] if len(call) > 1}
    assert placed == {f"{board.ip_base:#x}", f"{board.intc_base:#x}"}
    text = done.stdout
    assert "IOPLL" in text or "IO PLL" in text
    assert f"{board.fclk_mhz:g}" in text and "C_KIND_OF_INTR 0xFFFFFFFF" in text
    assert [Path(c[-1]).name for c in calls["file"]] == ["nigiri.bit", "nigiri.hwh"]


@pytest.mark.parametrize(("name", "what"), [("WNS", "setup"), ("WHS", "hold")])
def test_unmet_timing_fails_the_build(tmp_path, monkeypatch, name, what):
    broken = (f"rename get_property good\nproc get_property {{name object}} {{ if {{$name eq {{STATS.{name}}}}} "
              "{ return -0.123 }; good $name $object }")
    done = build(BOARDS["pynq_z2"], tmp_path, monkeypatch, broken)
    assert done.returncode and f"timing is not met: worst {what} slack is -0.123 ns" in done.stderr
    assert "file\tcopy" not in done.stdout


def test_stopped_implementation_fails_the_build(tmp_path, monkeypatch):
    broken = ("rename get_property good\nproc get_property {name object} { if {$name eq {PROGRESS}} "
              "{ return 40% }; good $name $object }")
    done = build(BOARDS["kv260"], tmp_path, monkeypatch, broken)
    assert done.returncode and "implementation stopped: complete" in done.stderr


def test_missing_board_files(tmp_path, monkeypatch):
    done = build(BOARDS["pynq_z2"], tmp_path, monkeypatch, parts="")
    assert done.returncode
    assert "the board files of tul.com.tw:pynq-z2:part0:1.0 are not installed" in done.stderr


def test_a_misspelt_command_is_noticed(tmp_path):
    done = tcl(f"source {STUBS}\ncreate_projekt x\n", tmp_path)
    assert done.returncode and "not a command of Vivado or of ours: create_projekt" in done.stderr


def test_settings_are_tcl_of_the_specification(board, tmp_path):
    config = get_config(board.config)
    script = settings_tcl(board, config, tmp_path) + registers_tcl() + (
        "puts \"$settings(ports) $settings(ip_base) $settings(vlnv) [llength $registers]\"\n")
    done = tcl(script, tmp_path)
    assert done.stdout.split() == [str(config.ports), f"{board.ip_base:#x}", ip.VLNV, str(len(ip.ip_registers()))]


def test_more_ports_than_the_board_has(tmp_path):
    with pytest.raises(ValueError, match=r"^configuration 'sushi_zcu104' has 6 data ports, ZCU104 4$"):
        write_inputs(BOARDS["zcu104"], get_config("sushi_zcu104"), tmp_path)


def test_command_without_vivado(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(vivado, "generate", lambda config: "// Verilog\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["bitstream", "pynq_z2", "--folder", str(tmp_path)]) == 2
    assert "nigiri: vivado is not on the PATH: source its settings64.sh" in capsys.readouterr().err
    assert (tmp_path / "settings.tcl").exists()
    assert main(["bitstream", "pynq_z2", "--folder", str(tmp_path), "--inputs-only"]) == 0
    assert main(["bitstream", "pynq_z2", "--tools", "ise"]) == 2
    assert "unknown tools 'ise': choose vivado or open" in capsys.readouterr().err
    assert main(["bitstream", "zedboard"]) == 2
    assert "unknown board 'zedboard': choose one of kv260, pynq_z2, zcu104" in capsys.readouterr().err
