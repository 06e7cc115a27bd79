"""Notebooks for boards and for simulated boards; `pynq get-notebooks` copies them."""
