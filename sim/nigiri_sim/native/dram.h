// Off-chip memory: bytes, fault ranges, and the token buckets that limit the bandwidth.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace nigiri {

constexpr uint64_t kNever = ~uint64_t{0};

enum Response : uint8_t { kOkay = 0, kSlverr = 2, kDecerr = 3 };
enum FaultKind : uint32_t { kFaultSlverr = 1, kFaultHang = 2 };
enum Direction : uint32_t { kReads = 1, kWrites = 2 };

// Bytes a cycle as an integer rate, so that a run is reproducible on any machine.
class Bucket {
 public:
  // The level is capped at one cycle's rate plus one beat: nothing is lost under load and nothing saved up while idle.
  void configure(double bytes_per_cycle, unsigned beat) {
    rate_ = static_cast<int64_t>(std::min(bytes_per_cycle, 1e6) * kUnit);
    cap_ = rate_ + static_cast<int64_t>(beat) * kUnit;
    level_ = cap_;
  }
  bool holds(uint64_t now, unsigned bytes) {
    if (now != last_) {
      // 65536 cycles fill every bucket; the bound keeps the product inside 64 bits.
      level_ = std::min(cap_, level_ + rate_ * static_cast<int64_t>(std::min<uint64_t>(now - last_, 65536)));
      last_ = now;
    }
    return level_ >= static_cast<int64_t>(bytes) * kUnit;
  }
  void take(unsigned bytes) { level_ -= static_cast<int64_t>(bytes) * kUnit; }

 private:
  static constexpr int64_t kUnit = 1 << 20;
  int64_t rate_ = 0, cap_ = 0, level_ = 0;
  uint64_t last_ = 0;
};

class Dram {
 public:
  Dram(uint64_t base, uint64_t size) : base_(base), size_(size), bytes_(static_cast<uint8_t*>(std::calloc(size, 1))) {}
  ~Dram() { std::free(bytes_); }
  Dram(const Dram&) = delete;
  Dram& operator=(const Dram&) = delete;

  uint8_t* data() { return bytes_; }
  bool faulty() const { return !faults_.empty(); }
  void fault(FaultKind kind, uint64_t start, uint64_t size, uint32_t directions) {
    faults_.push_back({kind, start, start + size, directions});
  }
  void clear_faults() { faults_.clear(); }

  bool hangs(uint64_t start, uint64_t size, Direction direction) const {
    return overlaps(kFaultHang, start, size, direction);
  }
  // A failed beat delivers a pattern that no test uses as data.
  Response read(uint64_t address, void* to, unsigned n) const {
    const Response answer = respond(address, n, kReads);
    if (answer == kOkay) std::memcpy(to, bytes_ + (address - base_), n);
    else std::memset(to, 0xA5, n);
    return answer;
  }
  Response write(uint64_t address, const uint8_t* from, uint32_t strobes, unsigned n) {
    const Response answer = respond(address, n, kWrites);
    if (answer != kOkay) return answer;
    uint8_t* to = bytes_ + (address - base_);
    if (strobes == (uint64_t{1} << n) - 1) {
      std::memcpy(to, from, n);
    } else {
      for (unsigned i = 0; i < n; ++i)
        if (strobes >> i & 1) to[i] = from[i];
    }
    return kOkay;
  }

 private:
  struct Fault {
    FaultKind kind;
    uint64_t start, end;
    uint32_t directions;
  };
  bool overlaps(FaultKind kind, uint64_t start, uint64_t size, uint32_t direction) const {
    for (const Fault& f : faults_)
      if (f.kind == kind && (f.directions & direction) && start < f.end && start + size > f.start) return true;
    return false;
  }
  Response respond(uint64_t address, unsigned n, uint32_t direction) const {
    if (address < base_ || address - base_ > size_ - n) return kDecerr;
    if (!faults_.empty() && overlaps(kFaultSlverr, address, n, direction)) return kSlverr;
    return kOkay;
  }

  const uint64_t base_, size_;
  uint8_t* const bytes_;
  std::vector<Fault> faults_;
};

// xorshift64*: one draw a cycle and user, so that streams do not influence one another.
class Random {
 public:
  void seed(uint64_t value, uint64_t stream) {
    state_ = (value + 1) * 0x9E3779B97F4A7C15u ^ (stream + 1) * 0xBF58476D1CE4E5B9u;
    if (!state_) state_ = 1;
    for (int i = 0; i < 8; ++i) draw();
  }
  uint64_t draw() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545F4914F6CDD1Du;
  }

 private:
  uint64_t state_ = 1;
};

// Up to five independent events a cycle from one draw, each with the stall probability.
class Stalls {
 public:
  void configure(double probability, uint64_t seed, uint64_t stream) {
    threshold_ = static_cast<uint32_t>(probability * 4096);
    random_.seed(seed, stream);
  }
  bool active() const { return threshold_ != 0; }
  void next() {
    if (threshold_) bits_ = random_.draw();
  }
  bool hit(unsigned which) const { return threshold_ && (bits_ >> (12 * which) & 0xFFF) < threshold_; }

 private:
  uint32_t threshold_ = 0;
  uint64_t bits_ = 0;
  Random random_;
};

}  // namespace nigiri
