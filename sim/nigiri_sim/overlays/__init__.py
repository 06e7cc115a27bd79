"""Overlays of the simulated boards: a description that PYNQ reads, and a bitstream without contents.

Written by `python -m nigiri_sim.board.write`; a test compares them with the specification.
"""
