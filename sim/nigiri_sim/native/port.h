// One AXI4 slave port: answers the read and write bursts of a data port of the accelerator, and checks them.
#pragma once

#include <cstdio>
#include <string>

#include "dram.h"
#include "pins.h"

namespace nigiri {

// The first violation wins: what follows it means nothing.
class Violations {
 public:
  void report(uint64_t cycle, const std::string& where, const std::string& what) {
    if (text_.empty()) text_ = "cycle " + std::to_string(cycle) + ", " + where + ": " + what;
  }
  bool any() const { return !text_.empty(); }
  const char* text() const { return text_.c_str(); }

 private:
  std::string text_;
};

struct Burst {
  uint64_t address;
  uint64_t when;  // read: first cycle of data; write: first cycle of the response
  uint16_t beats;
  uint16_t done;
  uint8_t response;
  bool hung;
};

template <typename T, unsigned N>
class Ring {
 public:
  unsigned size() const { return count_; }
  bool full() const { return count_ == N; }
  T& operator[](unsigned i) { return items_[(head_ + i) % N]; }
  void push(const T& item) { items_[(head_ + count_++) % N] = item; }
  void pop() { head_ = (head_ + 1) % N, --count_; }
  void clear() { head_ = count_ = 0; }

 private:
  T items_[N];
  unsigned head_ = 0, count_ = 0;
};

struct Timing {
  unsigned latency, outstanding;
};

struct Statistics {
  uint64_t read_bursts, read_bytes, write_bursts, write_bytes, most_reads, most_writes;
};

class Port {
 public:
  static constexpr unsigned kBeat = NIGIRI_PORT_BYTES;

  void configure(unsigned number, Timing timing, double rate, double stalls, uint64_t seed, Dram* dram, Violations* bad) {
    name_ = "port m" + std::to_string(number);
    timing_ = timing;
    dram_ = dram;
    bad_ = bad;
    read_rate_.configure(rate, kBeat);
    write_rate_.configure(rate, kBeat);
    stalls_.configure(stalls, seed, number + 1);
    reset();
  }
  void reset() {
    reads_.clear(), writes_.clear(), data_.clear();
    drained_ = 0;
    read_beat_ = response_ = false;
    ar_.waits = aw_.waits = w_waits_ = false;
    quiet_ = false;
    *pins.arready = *pins.awready = *pins.wready = *pins.rvalid = *pins.rlast = *pins.bvalid = 0;
    *pins.rresp = *pins.bresp = 0;
  }
  void check_reset(uint64_t now) {
    if (*pins.arvalid | *pins.awvalid | *pins.wvalid) fail(now, "arvalid, awvalid or wvalid is high during reset");
  }

  // Nothing in flight, nothing asked for: the port needs no work in this cycle.
  bool quiet() const { return quiet_ && !(*pins.arvalid | *pins.awvalid | *pins.wvalid); }

  // What the pins of cycle `now` transfer.
  void sample(uint64_t now) {
    if (*pins.arvalid) {
      const Request r{*pins.araddr, *pins.arlen, *pins.arsize, *pins.arburst};
      ar_.check(*this, now, r, "ar");
      if ((ar_.waits = !*pins.arready) == false) {
        check_request(now, r, "ar");
        reads_.push(open(now, r, kReads));
        statistics.read_bursts++;
        statistics.most_reads = std::max<uint64_t>(statistics.most_reads, reads_.size());
      }
    } else if (ar_.waits) {
      fail(now, "arvalid falls before arready");
    }
    if (*pins.awvalid) {
      const Request r{*pins.awaddr, *pins.awlen, *pins.awsize, *pins.awburst};
      aw_.check(*this, now, r, "aw");
      if ((aw_.waits = !*pins.awready) == false) {
        check_request(now, r, "aw");
        writes_.push(open(now, r, kWrites));
        statistics.write_bursts++;
        statistics.most_writes = std::max<uint64_t>(statistics.most_writes, writes_.size());
      }
    } else if (aw_.waits) {
      fail(now, "awvalid falls before awready");
    }
    if (*pins.wvalid) sample_data(now);
    else if (w_waits_) fail(now, "wvalid falls before wready");
    if (read_beat_ && *pins.rready) {
      read_beat_ = false;
      if (++reads_[0].done == reads_[0].beats) reads_.pop();
    }
    if (response_ && *pins.bready) {
      response_ = false;
      writes_.pop();
      --drained_;
    }
  }

  bool wants_read(uint64_t next) {
    return !read_beat_ && reads_.size() && !reads_[0].hung && reads_[0].when <= next && !stalls_.hit(0) &&
           read_rate_.holds(next, kBeat);
  }
  bool wants_write(uint64_t next) {
    return data_.size() && drained_ < writes_.size() && !writes_[drained_].hung && write_rate_.holds(next, kBeat);
  }
  // Put the next beat of the oldest read on the pins of the next cycle.
  void grant_read() {
    Burst& b = reads_[0];
    *pins.rresp = dram_->read(b.address + b.done * kBeat, pins.rdata, kBeat);
    *pins.rlast = b.done + 1 == b.beats;
    read_beat_ = true;
    read_rate_.take(kBeat);
    statistics.read_bytes += kBeat;
  }
  // Move a beat from the data queue into the memory.
  void grant_write(uint64_t now) {
    Burst& b = writes_[drained_];
    const Beat& beat = data_[0];
    b.response = std::max<uint8_t>(b.response, dram_->write(b.address + b.done * kBeat, beat.bytes, beat.strobes, kBeat));
    if (beat.last != (b.done + 1 == b.beats))
      fail(now, beat.last ? "wlast comes before the burst's last beat" : "wlast is missing on the burst's last beat");
    if (++b.done == b.beats) {
      b.when = now + timing_.latency;
      ++drained_;
    }
    data_.pop();
    write_rate_.take(kBeat);
    statistics.write_bytes += kBeat;
  }

  // Drive the pins of cycle `next`.
  void drive(uint64_t next) {
    *pins.rvalid = read_beat_;
    if (!response_ && drained_ && writes_[0].when <= next && !stalls_.hit(1)) {
      response_ = true;
      *pins.bresp = writes_[0].response;
    }
    *pins.bvalid = response_;
    *pins.arready = reads_.size() < timing_.outstanding && !stalls_.hit(2);
    *pins.awready = writes_.size() < timing_.outstanding && !stalls_.hit(3);
    *pins.wready = !data_.full() && !stalls_.hit(4);
    stalls_.next();
    quiet_ = !reads_.size() && !writes_.size() && !data_.size() && !stalls_.active() && !ar_.waits && !aw_.waits &&
             !w_waits_;
  }

  // Bursts that were left unanswered are answered as if they had just been accepted.
  void release(uint64_t now) {
    for (unsigned i = 0; i < reads_.size(); ++i)
      if (reads_[i].hung) reads_[i].hung = false, reads_[i].when = now + timing_.latency;
    for (unsigned i = 0; i < writes_.size(); ++i) writes_[i].hung = false;
  }

  PortPins pins{};
  Statistics statistics{};

 private:
  struct Request {
    uint64_t address;
    unsigned length, size, burst;
    bool operator==(const Request& r) const {
      return address == r.address && length == r.length && size == r.size && burst == r.burst;
    }
  };
  struct Address {
    bool waits = false;
    Request held{};
    void check(Port& port, uint64_t now, const Request& r, const char* channel) {
      if (waits && !(held == r)) port.fail(now, std::string(channel) + "addr, len, size or burst changes before " + channel + "ready");
      held = r;
    }
  };
  struct Beat {
    uint8_t bytes[kBeat];
    uint32_t strobes;
    bool last;
    bool operator==(const Beat& b) const {
      return !std::memcmp(bytes, b.bytes, kBeat) && strobes == b.strobes && last == b.last;
    }
  };

  void fail(uint64_t now, const std::string& what) { bad_->report(now, name_, what); }

  void check_request(uint64_t now, const Request& r, const char* channel) {
    const std::string c(channel);
    const uint64_t bytes = (r.length + 1) * kBeat;
    char at[64];
    std::snprintf(at, sizeof at, " (address 0x%llx, len %u)", static_cast<unsigned long long>(r.address), r.length);
    if (r.length > 15) fail(now, c + "len is above 15" + at);
    if (1u << r.size != kBeat) fail(now, c + "size is not the full width" + at);
    if (r.burst != 1) fail(now, c + "burst is not INCR" + at);
    if (r.address % 64) fail(now, c + "addr is not a multiple of 64" + at);
    if (r.address / 4096 != (r.address + bytes - 1) / 4096) fail(now, c + " burst crosses a 4 KiB boundary" + at);
  }
  Burst open(uint64_t now, const Request& r, Direction direction) {
    const bool hung = dram_->faulty() && dram_->hangs(r.address, (r.length + 1) * kBeat, direction);
    return {r.address, now + timing_.latency, static_cast<uint16_t>(r.length + 1), 0, kOkay, hung};
  }
  void sample_data(uint64_t now) {
    Beat beat;
    std::memcpy(beat.bytes, pins.wdata, kBeat);
    beat.strobes = *pins.wstrb;
    beat.last = *pins.wlast;
    if (w_waits_ && !(beat == held_data_)) fail(now, "wdata, wstrb or wlast changes before wready");
    w_waits_ = !*pins.wready;
    if (w_waits_) held_data_ = beat;
    else data_.push(beat);
  }

  std::string name_;
  Timing timing_{};
  Dram* dram_ = nullptr;
  Violations* bad_ = nullptr;
  Bucket read_rate_, write_rate_;
  Stalls stalls_;
  Ring<Burst, 64> reads_, writes_;
  Ring<Beat, 32> data_;
  unsigned drained_ = 0;  // writes whose data are all in the memory, and whose response is not yet taken
  bool read_beat_ = false, response_ = false, w_waits_ = false, quiet_ = false;
  Address ar_, aw_;
  Beat held_data_{};
};

}  // namespace nigiri
