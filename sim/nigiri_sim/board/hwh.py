"""The hardware description (.hwh) of a board's design, in the form that PYNQ reads, and a bitstream file beside it.

Vivado writes the .hwh of a real bitstream.  This one has what pynqmetadata asks for and nothing else: the processing
system with its clocks, the accelerator with its registers, and an interrupt controller between them.
"""
from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree as Xml

from nigiri.spec import ip
from nigiri.spec.boards import Board
from nigiri.spec.registers import SPAN

__all__ = ["empty_bitstream", "hardware_description", "write_overlay"]

INTC, INTC_VLNV, REGION = "axi_intc_0", "xilinx.com:ip:axi_intc:4.1", 0x1_0000

_PS = {
    "zynq": {"instance": "processing_system7_0", "vlnv": "xilinx.com:ip:processing_system7:5.5",
             "master": "M_AXI_GP0", "irq": "IRQ_F2P", "divisor": "PCW_FCLK{n}_PERIPHERAL_DIVISOR{k}",
             "enable": "PCW_FPGA_FCLK{n}_ENABLE", "source": "PCW_FCLK{n}_PERIPHERAL_CLKSRC", "pll": "IO PLL",
             "rate": "PCW_ACT_FPGA{n}_PERIPHERAL_FREQMHZ"},
    "zynquplus": {"instance": "zynq_ultra_ps_e_0", "vlnv": "xilinx.com:ip:zynq_ultra_ps_e:3.5",
                  "master": "M_AXI_HPM0_FPD", "irq": "pl_ps_irq0",
                  "divisor": "PSU__CRL_APB__PL{n}_REF_CTRL__DIVISOR{k}", "enable": "PSU__FPGA_PL{n}_ENABLE",
                  "source": "PSU__CRL_APB__PL{n}_REF_CTRL__SRCSEL", "pll": "IOPLL",
                  "rate": "PSU__CRL_APB__PL{n}_REF_CTRL__ACT_FREQMHZ"},
}


def _add(parent: Xml.Element, tag: str, **attributes: object) -> Xml.Element:
    return Xml.SubElement(parent, tag, {name: str(value) for name, value in attributes.items()})


def _property(parent: Xml.Element, **values: object) -> None:
    for name, value in values.items():
        _add(parent, "PROPERTY", NAME=name, VALUE=value)


def _module(modules: Xml.Element, instance: str, vlnv: str, *, pl: bool = True) -> Xml.Element:
    module = _add(modules, "MODULE", FULLNAME=f"/{instance}", INSTANCE=instance, VLNV=vlnv, MODTYPE=vlnv.split(":")[2],
                  IPTYPE="PERIPHERAL", IS_PL="TRUE" if pl else "FALSE", IS_ENABLE=1)
    for part in ("ADDRESSBLOCKS", "PARAMETERS", "PORTS", "BUSINTERFACES", "MEMORYMAP"):
        _add(module, part)
    return module


def _part(module: Xml.Element, name: str) -> Xml.Element:
    found = module.find(name)
    assert found is not None
    return found


def _parameter(module: Xml.Element, **values: object) -> None:
    for name, value in values.items():
        _add(_part(module, "PARAMETERS"), "PARAMETER", NAME=name, VALUE=value)


def _port(module: Xml.Element, name: str, direction: str, other: tuple[str, str]) -> None:
    port = _add(_part(module, "PORTS"), "PORT", DIR=direction, NAME=name, SIGIS="INTERRUPT")
    _add(_add(port, "CONNECTIONS"), "CONNECTION", INSTANCE=other[0], PORT=other[1])


def _interface(module: Xml.Element, name: str, kind: str) -> None:
    bus = _add(_part(module, "BUSINTERFACES"), "BUSINTERFACE", NAME=name, TYPE=kind, BUSNAME="axi",
               VLNV="xilinx.com:interface:aximm:1.0")
    _add(bus, "PORTMAPS")


def _registers(module: Xml.Element, interface: str, registers: Iterable[ip.IpRegister]) -> None:
    block = _add(_part(module, "ADDRESSBLOCKS"), "ADDRESSBLOCK", INTERFACE=interface, NAME="reg0", USAGE="register",
                 RANGE=SPAN, ACCESS="read-write")
    listed = _add(block, "REGISTERS")
    for r in registers:
        register = _add(listed, "REGISTER", NAME=r.name)
        _property(register, DESCRIPTION=r.doc, ADDRESS_OFFSET=hex(r.offset), SIZE=r.size, ACCESS=r.access,
                  IS_ENABLED="true", RESET_VALUE="0x0")
        fields = _add(register, "FIELDS")
        for f in r.fields:
            _property(_add(fields, "FIELD", NAME=f.name), DESCRIPTION=f.name.lower(), ACCESS=r.access,
                      BIT_OFFSET=f.lsb, BIT_WIDTH=f.width)


def hardware_description(board: Board, *, interrupts: bool = True) -> str:
    """The .hwh of `board`'s design as XML text; without `interrupts`, as the open tools' flow builds it."""
    ps = _PS[board.family]
    root = Xml.Element("EDKSYSTEM", EDWVERSION="1.2", VIVADOVERSION="2024.1")
    _add(root, "SYSTEMINFO", ARCH=board.family, NAME="nigiri")
    _add(root, "EXTERNALPORTS")
    _add(root, "EXTERNALINTERFACES")
    modules = _add(root, "MODULES")

    core = _module(modules, ip.INSTANCE, ip.VLNV)
    _interface(core, ip.SLAVE, "SLAVE")
    _registers(core, ip.SLAVE, ip.ip_registers())
    system = Xml.Element("MODULES")                      # the PS comes last, as in Vivado's files
    host = _module(system, ps["instance"], ps["vlnv"], pl=False)
    _interface(host, ps["master"], "MASTER")
    ranges = [(ip.INSTANCE, board.ip_base, ip.SLAVE)]
    if interrupts:
        controller = _module(modules, INTC, INTC_VLNV)
        _interface(controller, "s_axi", "SLAVE")
        _parameter(controller, C_KIND_OF_INTR="0xFFFFFFFF")
        _port(core, ip.INTERRUPT, "O", (INTC, "intr"))
        _port(controller, "intr", "I", (ip.INSTANCE, ip.INTERRUPT))
        _port(controller, "irq", "O", (ps["instance"], ps["irq"]))
        _port(host, ps["irq"], "I", (INTC, "irq"))
        ranges.append((INTC, board.intc_base, "s_axi"))
    for instance, base, slave in ranges:
        _add(_part(host, "MEMORYMAP"), "MEMRANGE", ADDRESSBLOCK="reg0", BASEVALUE=f"0x{base:08X}",
             HIGHVALUE=f"0x{base + REGION - 1:08X}", INSTANCE=instance, MEMTYPE="REGISTER",
             MASTERBUSINTERFACE=ps["master"], SLAVEBUSINTERFACE=slave)
    for n in range(4):
        divisor = round(board.iopll_mhz / board.fclk_mhz) if n == 0 else 10
        _parameter(host, **{ps["divisor"].format(n=n, k=0): divisor, ps["divisor"].format(n=n, k=1): 1,
                            ps["enable"].format(n=n): int(n == 0), ps["source"].format(n=n): ps["pll"],
                            ps["rate"].format(n=n): round(board.iopll_mhz / divisor, 6)})
    modules.append(host)
    Xml.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(root, encoding="unicode") + "\n"


def empty_bitstream(part: str) -> bytes:
    """A well-formed .bit file without any configuration frames, to be loaded into simulated boards only."""
    def field(key: bytes, text: str) -> bytes:
        value = text.encode() + b"\0"
        return key + len(value).to_bytes(2, "big") + value

    frames = b"\xff" * 32
    head = b"\0\x09" + bytes(9) + b"\0\1"
    return (head + field(b"a", "nigiri;Version=simulated") + field(b"b", part) + field(b"c", "2000/01/01")
            + field(b"d", "00:00:00") + b"e" + len(frames).to_bytes(4, "big") + frames)


def write_overlay(board: Board, path: Path, *, interrupts: bool = True) -> Path:
    """Write `path` (.bit) and the .hwh beside it; returns `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".hwh").write_text(hardware_description(board, interrupts=interrupts))
    path.write_bytes(empty_bitstream(board.part))
    return path
