// The clock loop around the Verilated accelerator, and its C interface for Python.
//
// A cycle: pins settle with aclk low, are sampled, the harness decides what it drives next, aclk rises with the old
// inputs, and the new inputs come with the falling edge.  All harness outputs are registered.
#include <array>
#include <exception>
#include <memory>
#include <stdexcept>

#include "lite.h"
#include "verilated.h"
#if VM_COVERAGE
#include "verilated_cov.h"
#endif
#if VM_TRACE_FST
#include "verilated_fst_c.h"
using Tracer = VerilatedFstC;
#elif VM_TRACE_VCD
#include "verilated_vcd_c.h"
using Tracer = VerilatedVcdC;
#endif

// Verilator aborts the process by default; an exception reaches the caller.
void vl_fatal(const char* file, int line, const char*, const char* message) {
  throw std::runtime_error(std::string(file) + ":" + std::to_string(line) + ": " + message);
}

namespace nigiri {

struct Settings {
  double total_rate, port_rate, stalls;
  uint64_t seed, dram_base, dram_size;
  uint32_t latency, outstanding;
  const char* trace;
};

constexpr unsigned kLiteLimit = 100000;  // cycles a register access may take

class Simulation {
 public:
  explicit Simulation(const Settings& s) : dram_(s.dram_base, s.dram_size) {
    context_.reset(new VerilatedContext);
    context_->traceEverOn(s.trace != nullptr);
    top_.reset(new Vdut(context_.get(), "top"));
    lite_.pins = lite_pins(*top_);
    bind_ports(*top_, ports_);
    interrupt_ = interrupt_pin(*top_);
    lite_.configure(s.stalls, s.seed, &bad_);
    total_.configure(s.total_rate, Port::kBeat);
    unsigned n = 0;
    for (Port& p : ports_) p.configure(n++, {s.latency, s.outstanding}, s.port_rate, s.stalls, s.seed, &dram_, &bad_);
#if VM_TRACE
    if (s.trace) {
      tracer_.reset(new Tracer);
      top_->trace(tracer_.get(), 99);
      tracer_->open(s.trace);
    }
#endif
#if VM_COVERAGE
    if (s.trace) coverage_ = s.trace;
#endif
    reset(8);
  }
  ~Simulation() {
#if VM_TRACE
    if (tracer_) tracer_->close();
#endif
    top_->final();
#if VM_COVERAGE
    if (coverage_.size()) context_->coveragep()->write(coverage_.c_str());
#endif
  }

  void reset(unsigned cycles) {
    top_->aresetn = 0;
    lite_.reset();
    for (Port& p : ports_) p.reset();
    for (unsigned i = 0; i < cycles; ++i) {
      clock();
      if (i > 1)
        for (Port& p : ports_) p.check_reset(now_);
    }
    top_->aresetn = 1;
    for (Port& p : ports_) p.drive(now_);
    // A master may raise valid only after an edge that sees aresetn high.
    for (unsigned i = 0; i < 2; ++i) step();
  }

  bool run(uint64_t cycles) {
    while (cycles--) {
      step();
      if (bad_.any()) return false;
    }
    return true;
  }
  // 1: the interrupt is high; 0: still not after `limit` cycles; -1: violation.
  int until_interrupt(uint64_t limit) {
    for (; limit && !*interrupt_; --limit) {
      step();
      if (bad_.any()) return -1;
    }
    return *interrupt_;
  }
  bool access() {
    lite_.drive();  // the request is on the pins in this cycle, unless a stall delays it
    settle();
    for (unsigned i = 0; !lite_.idle(); ++i) {
      step();
      if (i == kLiteLimit) bad_.report(now_, "port s_axi", "a register access is not answered");
      if (bad_.any()) return false;
    }
    return true;
  }
  bool read(uint32_t address, uint32_t* value) {
    lite_.read(address);
    if (!access()) return false;
    *value = lite_.value();
    return true;
  }
  bool write(uint32_t address, uint32_t value) {
    lite_.write(address, value);
    return access();
  }
  // 1: (register & mask) == 0; 0: still not after `limit` cycles; -1: violation.
  int wait(uint32_t address, uint32_t mask, uint64_t limit) {
    const uint64_t end = now_ + limit;
    for (;;) {
      uint32_t value;
      if (!read(address, &value)) return -1;
      if (!(value & mask)) return 1;
      if (now_ >= end) return 0;
      // A rising interrupt is worth a look at once; without it, one look in 64 cycles.
      const bool before = *interrupt_;
      for (unsigned i = 0; i < 64 && (before || !*interrupt_); ++i) {
        step();
        if (bad_.any()) return -1;
      }
    }
  }
  void release() {
    dram_.clear_faults();
    for (Port& p : ports_) p.release(now_);
  }

  Dram& dram() { return dram_; }
  Port& port(unsigned n) { return ports_.at(n); }
  uint64_t now() const { return now_; }
  bool interrupt() const { return *interrupt_; }
  unsigned response() const { return lite_.response(); }
  const Violations& bad() const { return bad_; }
  void fail(const char* what) { bad_.report(now_, "model", what); }

 private:
  void settle() {
    top_->aclk = 0;
    top_->eval();
  }
  void rise() {
    top_->aclk = 1;
    top_->eval();
    dump(2 * now_);
    ++now_;
  }
  void clock() {
    rise();
    settle();
    dump(2 * now_ - 1);
  }
  void step() {
    unsigned active = 0;
    Port* work[NIGIRI_PORTS];
    for (Port& p : ports_)
      if (!p.quiet()) work[active++] = &p;
    const bool lite = !lite_.quiet();
    for (unsigned i = 0; i < active; ++i) work[i]->sample(now_);
    if (lite) lite_.sample(now_);

    rise();

    if (active) grant();
    for (unsigned i = 0; i < active; ++i) work[i]->drive(now_);
    if (lite) lite_.drive();
    settle();
    dump(2 * now_ - 1);
  }
  // Round robin over the read and write sides of all ports, as long as the memory has bytes to give.
  void grant() {
    constexpr unsigned kSides = 2 * NIGIRI_PORTS;
    if (!total_.holds(now_, Port::kBeat)) return;
    unsigned last = turn_;
    for (unsigned i = 0, side = turn_; i < kSides; ++i, side = side + 1 == kSides ? 0 : side + 1) {
      Port& p = ports_[side / 2];
      if (side % 2 ? !p.wants_write(now_) : !p.wants_read(now_)) continue;
      if (side % 2) p.grant_write(now_);
      else p.grant_read();
      total_.take(Port::kBeat);
      last = side + 1 == kSides ? 0 : side + 1;
      if (!total_.holds(now_, Port::kBeat)) break;
    }
    turn_ = last;
  }
  void dump([[maybe_unused]] uint64_t time) {
#if VM_TRACE
    if (tracer_) tracer_->dump(time);
#endif
  }

  Violations bad_;
  Dram dram_;
  std::unique_ptr<VerilatedContext> context_;
  std::unique_ptr<Vdut> top_;
#if VM_TRACE
  std::unique_ptr<Tracer> tracer_;
#endif
  std::string coverage_;
  const CData* interrupt_;
  Lite lite_;
  std::array<Port, NIGIRI_PORTS> ports_;
  Bucket total_;
  unsigned turn_ = 0;
  uint64_t now_ = 0;
};

// Verilator's exceptions must not cross the C interface.
template <typename Body>
int guarded(void* handle, Body body) {
  auto& s = *static_cast<Simulation*>(handle);
  try {
    if (s.bad().any()) return -1;
    return body(s);
  } catch (const std::exception& e) {
    s.fail(e.what());
    return -1;
  }
}

}  // namespace nigiri

using nigiri::guarded;
using nigiri::Simulation;

extern "C" {
void* nigiri_create(const nigiri::Settings* settings) {
  try {
    auto s = std::make_unique<Simulation>(*settings);
    if (!s->dram().data()) return nullptr;
    return s.release();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "nigiri_sim: %s\n", e.what());
    return nullptr;
  }
}
void nigiri_destroy(void* h) { delete static_cast<Simulation*>(h); }
uint8_t* nigiri_dram(void* h) { return static_cast<Simulation*>(h)->dram().data(); }
const char* nigiri_error(void* h) { return static_cast<Simulation*>(h)->bad().text(); }
uint64_t nigiri_cycles(void* h) { return static_cast<Simulation*>(h)->now(); }
int nigiri_interrupt(void* h) { return static_cast<Simulation*>(h)->interrupt(); }
int nigiri_run(void* h, uint64_t cycles) {
  return guarded(h, [&](Simulation& s) { return s.run(cycles) ? 0 : -1; });
}
int nigiri_until_interrupt(void* h, uint64_t limit) {
  return guarded(h, [&](Simulation& s) { return s.until_interrupt(limit); });
}
int nigiri_reset(void* h) {
  return guarded(h, [&](Simulation& s) { return s.reset(8), 0; });
}
// Register accesses return the AXI response, or -1.
int nigiri_read(void* h, uint32_t address, uint32_t* value) {
  return guarded(h, [&](Simulation& s) { return s.read(address, value) ? static_cast<int>(s.response()) : -1; });
}
int nigiri_write(void* h, uint32_t address, uint32_t value) {
  return guarded(h, [&](Simulation& s) { return s.write(address, value) ? static_cast<int>(s.response()) : -1; });
}
int nigiri_wait(void* h, uint32_t address, uint32_t mask, uint64_t limit) {
  return guarded(h, [&](Simulation& s) { return s.wait(address, mask, limit); });
}
void nigiri_fault(void* h, uint32_t kind, uint64_t start, uint64_t size, uint32_t directions) {
  static_cast<Simulation*>(h)->dram().fault(static_cast<nigiri::FaultKind>(kind), start, size, directions);
}
void nigiri_clear_faults(void* h) { static_cast<Simulation*>(h)->release(); }
void nigiri_statistics(void* h, uint32_t port, uint64_t* out) {
  std::memcpy(out, &static_cast<Simulation*>(h)->port(port).statistics, sizeof(nigiri::Statistics));
}
}
