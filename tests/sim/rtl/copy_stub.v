// A small device with the accelerator's pins, for the tests of the simulation harness.
// START copies WINDOW_SIZE words from WINDOW_BASE to WINDOW_BASE + PROGRAM_OFFSET words; port p of PORTS takes every
// PORTS-th burst of 128 bytes (64-bit ports) or 256 bytes.
// MODE (0xF00): 0 copy, 1 read only, 2 write only; its bits 7..4 plant one protocol violation (see `plant`).
// Observed by the device itself: 0xF04 most reads outstanding on port 0, 0xF08 cycles from the first address accepted on
// port 0 to its first beat, 0x080 cycles from start to done, 0xF0C error responses seen on port 0.
`ifndef PORTS
 `define PORTS 1
`endif
`ifndef BITS
 `define BITS 64
`endif

module copier #(parameter BITS = 64, parameter INDEX = 0, parameter PORTS = 1) (
  input clk, input rst, input start, input [39:0] base, input [39:0] target, input [31:0] bursts, input [7:0] mode,
  output busy, output reg [7:0] most, output reg [15:0] latency, output reg [15:0] failures,
  output reg [39:0] araddr, output [7:0] arlen, output [2:0] arsize, output reg arvalid, input arready,
  input [BITS-1:0] rdata, input [1:0] rresp, input rlast, input rvalid, output rready,
  output reg [39:0] awaddr, output [7:0] awlen, output [2:0] awsize, output reg awvalid, input awready,
  output [BITS-1:0] wdata, output [BITS/8-1:0] wstrb, output wlast, output wvalid, input wready,
  input [1:0] bresp, input bvalid, output bready);
  localparam BEATS = 16, BYTES = BITS / 8, SPAN = BEATS * BYTES, STEP = SPAN * PORTS;
  wire [3:0] plant = mode[7:4];
  wire reading = mode[1:0] != 2, writing = mode[1:0] != 1;
  reg [BITS-1:0] fifo [0:511];
  reg [9:0] wptr, rptr, credit;                 // credit: beats asked for and not yet written
  reg [31:0] ar_left, r_left, aw_left, w_left, b_left;
  reg [7:0] flight;
  reg [3:0] beat;
  reg first, timing, seen_wait;
  wire ar_go = arvalid && arready, r_go = rvalid && rready, aw_go = awvalid && awready, w_go = wvalid && wready;
  wire [9:0] level = wptr - rptr;
  reg [9:0] armed;                               // bursts whose address is out and whose data may follow
  assign arlen = plant == 4 ? 31 : BEATS - 1;
  assign awlen = BEATS - 1;
  assign arsize = plant == 7 ? 2 : $clog2(BYTES);
  assign awsize = $clog2(BYTES);
  assign rready = 1;
  assign bready = 1;
  assign wdata = (reading ? fifo[rptr[8:0]] : {BYTES{8'h5A}}) ^ (plant == 9 && seen_wait);
  assign wstrb = {BYTES{1'b1}};
  assign wlast = plant == 5 ? beat == 3 : beat == BEATS - 1;
  assign wvalid = armed != 0 && w_left != 0 && (!reading || level != 0);
  assign busy = ar_left != 0 || r_left != 0 || aw_left != 0 || w_left != 0 || b_left != 0;
  wire [39:0] skew = plant == 3 ? 40'd4096 - 64 : plant == 6 ? 40'd8 : 0;
  always @(posedge clk) begin
    if (w_go && armed == 0) $stop;
    seen_wait <= wvalid && !wready;
    if (r_go) begin
      if (reading && writing) begin fifo[wptr[8:0]] <= rdata; wptr <= wptr + 1; end
      r_left <= r_left - 1;
      if (rresp != 0) failures <= failures + 1;
    end
    if (timing) begin
      if (r_go) timing <= 0;
      else latency <= latency + 1;
    end
    if (w_go) begin
      beat <= beat + 1; w_left <= w_left - 1; rptr <= rptr + (reading && writing);
    end
    if (bvalid) begin b_left <= b_left - 1; if (bresp != 0) failures <= failures + 1; end
    credit <= credit + (ar_go ? BEATS : 0) - (writing ? w_go : r_go);
    flight <= flight + ar_go - (r_go && rlast);
    if (flight > most) most <= flight;
    armed <= armed + aw_go - (w_go && beat == BEATS - 1);
    if (!arvalid || ar_go) begin
      if (ar_go) begin
        ar_left <= ar_left - 1; araddr <= araddr + STEP;
        if (first) begin first <= 0; timing <= 1; latency <= 1; end
      end
      arvalid <= (ar_left - ar_go) != 0 && credit + (ar_go ? 2 * BEATS : BEATS) <= 496;
    end else if (plant == 1) arvalid <= 0;
    else if (plant == 2) araddr <= araddr + 64;
    if (!awvalid || aw_go) begin
      if (aw_go) begin aw_left <= aw_left - 1; awaddr <= awaddr + STEP; end
      awvalid <= (aw_left - aw_go) != 0;
    end
    if (rst || start) begin
      araddr <= base + INDEX * SPAN + skew; awaddr <= target + INDEX * SPAN;
      ar_left <= start && reading ? bursts : 0; r_left <= start && reading ? bursts * BEATS : 0;
      aw_left <= start && writing ? bursts : 0; w_left <= start && writing ? bursts * BEATS : 0;
      b_left <= start && writing ? bursts : 0;
      arvalid <= 0; awvalid <= 0; flight <= 0; credit <= 0; wptr <= 0; rptr <= 0; beat <= 0; armed <= 0;
      most <= 0; latency <= 0; failures <= 0; first <= 1; timing <= 0; seen_wait <= 0;
      if (rst && plant == 8) arvalid <= 1;
    end
  end
endmodule

module nigiri_stub (
  input aclk, input aresetn, output interrupt,
  input [11:0] s_axi_awaddr, input [2:0] s_axi_awprot, input s_axi_awvalid, output s_axi_awready,
  input [31:0] s_axi_wdata, input [3:0] s_axi_wstrb, input s_axi_wvalid, output s_axi_wready,
  output [1:0] s_axi_bresp, output reg s_axi_bvalid, input s_axi_bready,
  input [11:0] s_axi_araddr, input [2:0] s_axi_arprot, input s_axi_arvalid, output s_axi_arready,
  output reg [31:0] s_axi_rdata, output [1:0] s_axi_rresp, output reg s_axi_rvalid, input s_axi_rready
`define PINS(n) , \
  output [39:0] m``n``_axi_araddr, output [7:0] m``n``_axi_arlen, output [2:0] m``n``_axi_arsize, \
  output [1:0] m``n``_axi_arburst, output [3:0] m``n``_axi_arcache, output [2:0] m``n``_axi_arprot, \
  output m``n``_axi_arvalid, input m``n``_axi_arready, input [`BITS-1:0] m``n``_axi_rdata, \
  input [1:0] m``n``_axi_rresp, input m``n``_axi_rlast, input m``n``_axi_rvalid, output m``n``_axi_rready, \
  output [39:0] m``n``_axi_awaddr, output [7:0] m``n``_axi_awlen, output [2:0] m``n``_axi_awsize, \
  output [1:0] m``n``_axi_awburst, output [3:0] m``n``_axi_awcache, output [2:0] m``n``_axi_awprot, \
  output m``n``_axi_awvalid, input m``n``_axi_awready, output [`BITS-1:0] m``n``_axi_wdata, \
  output [`BITS/8-1:0] m``n``_axi_wstrb, output m``n``_axi_wlast, output m``n``_axi_wvalid, input m``n``_axi_wready, \
  input [1:0] m``n``_axi_bresp, input m``n``_axi_bvalid, output m``n``_axi_bready
  `PINS(0)
`ifdef TWO
  `PINS(1)
`endif
);
  reg [31:0] mode, base_lo, base_hi, size, offset, enable, cycles;
  reg done, running, start, have_aw, have_w, irq;
  reg [11:0] aw;
  reg [31:0] w;
  wire [`PORTS-1:0] busy;
  wire [7:0] most [0:`PORTS-1];
  wire [15:0] latency [0:`PORTS-1];
  wire [15:0] failures [0:`PORTS-1];
  wire [39:0] base = {base_hi[7:0], base_lo};
  wire [39:0] target = base + {offset, 6'd0};
  wire [31:0] bursts = size / (`BITS / 32) / `PORTS;
  assign s_axi_awready = !have_aw && !s_axi_bvalid;
  assign s_axi_wready = !have_w && !s_axi_bvalid;
  assign s_axi_arready = !s_axi_rvalid;
  assign s_axi_rresp = 0;
  assign s_axi_bresp = aw >= 12'hF80 ? 2 : 0;
  assign interrupt = irq && enable[0];
  always @(posedge aclk) begin
    start <= 0;
    if (s_axi_awvalid && s_axi_awready) begin have_aw <= 1; aw <= s_axi_awaddr; end
    if (s_axi_wvalid && s_axi_wready) begin have_w <= 1; w <= s_axi_wdata; end
    if (have_aw && have_w) begin
      have_aw <= 0; have_w <= 0; s_axi_bvalid <= 1;
      case (aw)
        12'h00C: if (w[0]) begin start <= 1; running <= 1; done <= 0; cycles <= 0; end
        12'h014: enable <= w;
        12'h018: if (w[0]) irq <= 0;
        12'h030: base_lo <= w;
        12'h034: base_hi <= w;
        12'h038: size <= w;
        12'h040: offset <= w;
        12'hF00: mode <= w;
      endcase
    end
    if (s_axi_bvalid && s_axi_bready) s_axi_bvalid <= 0;
    if (s_axi_rvalid && s_axi_rready) s_axi_rvalid <= 0;
    if (s_axi_arvalid && s_axi_arready) begin
      s_axi_rvalid <= 1;
      case (s_axi_araddr)
        12'h000: s_axi_rdata <= 32'h4952474E;
        12'h010: s_axi_rdata <= {30'd0, done, running};
        12'h030: s_axi_rdata <= base_lo;
        12'h080: s_axi_rdata <= cycles;
        12'hF00: s_axi_rdata <= mode;
        12'hF04: s_axi_rdata <= most[0];
        12'hF08: s_axi_rdata <= latency[0];
        12'hF0C: s_axi_rdata <= failures[0];
        default: s_axi_rdata <= 0;
      endcase
    end
    if (running) begin
      cycles <= cycles + 1;
      if (!start && busy == 0) begin running <= 0; done <= 1; irq <= 1; end
    end
    if (!aresetn) begin
      s_axi_bvalid <= 0; s_axi_rvalid <= 0; have_aw <= 0; have_w <= 0; start <= 0; running <= 0; done <= 0; irq <= 0;
      enable <= 0;
    end
  end
`define COPIER(n) \
  assign m``n``_axi_arburst = 1; assign m``n``_axi_awburst = 1; \
  assign m``n``_axi_arcache = 3; assign m``n``_axi_awcache = 3; \
  assign m``n``_axi_arprot = 0; assign m``n``_axi_awprot = 0; \
  copier #(.BITS(`BITS), .INDEX(n), .PORTS(`PORTS)) copier_``n (.clk(aclk), .rst(!aresetn), .start(start), .base(base), \
    .target(target), .bursts(bursts), .mode(mode[7:0]), .busy(busy[n]), .most(most[n]), .latency(latency[n]), \
    .failures(failures[n]), \
    .araddr(m``n``_axi_araddr), .arlen(m``n``_axi_arlen), .arsize(m``n``_axi_arsize), .arvalid(m``n``_axi_arvalid), \
    .arready(m``n``_axi_arready), .rdata(m``n``_axi_rdata), .rresp(m``n``_axi_rresp), .rlast(m``n``_axi_rlast), \
    .rvalid(m``n``_axi_rvalid), .rready(m``n``_axi_rready), .awaddr(m``n``_axi_awaddr), .awlen(m``n``_axi_awlen), \
    .awsize(m``n``_axi_awsize), .awvalid(m``n``_axi_awvalid), .awready(m``n``_axi_awready), \
    .wdata(m``n``_axi_wdata), .wstrb(m``n``_axi_wstrb), .wlast(m``n``_axi_wlast), .wvalid(m``n``_axi_wvalid), \
    .wready(m``n``_axi_wready), .bresp(m``n``_axi_bresp), .bvalid(m``n``_axi_bvalid), .bready(m``n``_axi_bready));
  `COPIER(0)
`ifdef TWO
  `COPIER(1)
`endif
endmodule
