"""The accelerator's RTL in simulation: Verilator model, memory model, device, and helpers for tests."""
