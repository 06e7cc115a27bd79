// AXI4-Lite master: one register access at a time, with checks of the accelerator's answers.
#pragma once

#include "port.h"

namespace nigiri {

class Lite {
 public:
  void configure(double stalls, uint64_t seed, Violations* bad) {
    stalls_.configure(stalls, seed, 0);
    bad_ = bad;
    reset();
  }
  void reset() {
    state_ = kIdle;
    b_held_ = r_held_ = false;
    *pins.awvalid = *pins.wvalid = *pins.arvalid = 0;
    *pins.bready = *pins.rready = 1;
    *pins.awprot = *pins.arprot = 0;
    *pins.wstrb = 0xF;
  }
  void write(uint32_t address, uint32_t value) {
    address_ = address, value_ = value;
    state_ = kWrite;
    need_address_ = need_data_ = true;
  }
  void read(uint32_t address) {
    address_ = address;
    state_ = kRead;
    need_address_ = true;
  }
  bool idle() const { return state_ == kIdle; }
  uint32_t value() const { return value_; }
  unsigned response() const { return response_; }
  bool quiet() const { return state_ == kIdle && !stalls_.active() && !(*pins.bvalid | *pins.rvalid) && !b_held_ && !r_held_; }

  void sample(uint64_t now) {
    if (state_ == kWrite) {
      if (*pins.awvalid && *pins.awready) need_address_ = false;
      if (*pins.wvalid && *pins.wready) need_data_ = false;
    } else if (state_ == kRead && *pins.arvalid && *pins.arready) {
      need_address_ = false;
    }
    if (b_held_ && !*pins.bvalid) fail(now, "bvalid falls before bready");
    if (b_held_ && *pins.bresp != b_resp_) fail(now, "bresp changes before bready");
    if (*pins.bvalid && (state_ != kWrite || need_address_ || need_data_))
      fail(now, "bvalid without a complete write");
    b_held_ = *pins.bvalid && !*pins.bready;
    b_resp_ = *pins.bresp;
    if (*pins.bvalid && *pins.bready) finish(*pins.bresp);

    if (r_held_ && !*pins.rvalid) fail(now, "rvalid falls before rready");
    if (r_held_ && (*pins.rdata != r_data_ || *pins.rresp != r_resp_)) fail(now, "rdata or rresp changes before rready");
    if (*pins.rvalid && (state_ != kRead || need_address_)) fail(now, "rvalid without a read");
    r_held_ = *pins.rvalid && !*pins.rready;
    r_data_ = *pins.rdata, r_resp_ = *pins.rresp;
    if (*pins.rvalid && *pins.rready) {
      value_ = *pins.rdata;
      finish(*pins.rresp);
    }
  }
  void drive() {
    // Valid, once high, stays until it is taken; a stall only delays its rise.
    const bool write = state_ == kWrite, read = state_ == kRead;
    *pins.awvalid = write && need_address_ && (*pins.awvalid || !stalls_.hit(0));
    *pins.wvalid = write && need_data_ && (*pins.wvalid || !stalls_.hit(1));
    *pins.arvalid = read && need_address_ && (*pins.arvalid || !stalls_.hit(2));
    *pins.awaddr = *pins.araddr = address_;
    if (write) *pins.wdata = value_;
    *pins.bready = !stalls_.hit(3);
    *pins.rready = !stalls_.hit(4);
    stalls_.next();
  }

  LitePins pins{};

 private:
  enum State { kIdle, kWrite, kRead };
  void fail(uint64_t now, const char* what) { bad_->report(now, "port s_axi", what); }
  void finish(unsigned response) {
    response_ = response;
    state_ = kIdle;
  }

  Violations* bad_ = nullptr;
  Stalls stalls_;
  State state_ = kIdle;
  bool need_address_ = false, need_data_ = false, b_held_ = false, r_held_ = false;
  uint32_t address_ = 0, value_ = 0, r_data_ = 0;
  unsigned response_ = 0, b_resp_ = 0, r_resp_ = 0;
};

}  // namespace nigiri
