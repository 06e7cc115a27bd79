"""Properties of single components, proved with yosys-smtbmc and Z3."""
