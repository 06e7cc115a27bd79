// Where the top level's pins live.  Widths are Verilator's: up to 8, 16, 32, 64 bits as integers, wider ones as words.
#pragma once

#include "Vdut.h"
#include "ports.h"  // NIGIRI_PORTS, NIGIRI_PORT_BYTES, NIGIRI_EACH_PORT: written for each model

namespace nigiri {

#if NIGIRI_PORT_BYTES == 16
using Strobes = SData;
#else
using Strobes = CData;
#endif

struct PortPins {
  CData *arready, *rvalid, *rlast, *rresp, *awready, *wready, *bvalid, *bresp;
  void* rdata;
  const CData *arvalid, *arlen, *arsize, *arburst, *rready;
  const CData *awvalid, *awlen, *awsize, *awburst, *wvalid, *wlast, *bready;
  const QData *araddr, *awaddr;
  const void* wdata;
  const Strobes* wstrb;
};

struct LitePins {
  CData *awvalid, *awprot, *wvalid, *wstrb, *bready, *arvalid, *arprot, *rready;
  SData *awaddr, *araddr;
  IData* wdata;
  const CData *awready, *wready, *bvalid, *bresp, *arready, *rvalid, *rresp;
  const IData* rdata;
};

inline LitePins lite_pins(Vdut& t) {
  LitePins p;
#define PIN(name) p.name = &t.s_axi_##name
  PIN(awvalid), PIN(awprot), PIN(wvalid), PIN(wstrb), PIN(bready), PIN(arvalid), PIN(arprot), PIN(rready);
  PIN(awaddr), PIN(araddr), PIN(wdata), PIN(awready), PIN(wready), PIN(bvalid), PIN(bresp), PIN(arready);
  PIN(rvalid), PIN(rresp), PIN(rdata);
#undef PIN
  return p;
}

// `interrupt` is a reserved word to Verilator, which renames it.
template <typename Top>
const CData* interrupt_pin(Top& t) {
  if constexpr (requires { t.interrupt; }) return &t.interrupt;
  else return &t.__SYM__interrupt;
}

template <typename Ports>
void bind_ports(Vdut& t, Ports& ports) {
#define PIN(n, name) ports[n].pins.name = &t.m##n##_axi_##name
#define BIND(n)                                                                                                       \
  PIN(n, arready), PIN(n, rvalid), PIN(n, rlast), PIN(n, rresp), PIN(n, awready), PIN(n, wready), PIN(n, bvalid),     \
      PIN(n, bresp), PIN(n, rdata), PIN(n, arvalid), PIN(n, arlen), PIN(n, arsize), PIN(n, arburst), PIN(n, rready),  \
      PIN(n, awvalid), PIN(n, awlen), PIN(n, awsize), PIN(n, awburst), PIN(n, wvalid), PIN(n, wlast), PIN(n, bready), \
      PIN(n, araddr), PIN(n, awaddr), PIN(n, wdata), PIN(n, wstrb);
  NIGIRI_EACH_PORT(BIND)
#undef BIND
#undef PIN
}

}  // namespace nigiri
