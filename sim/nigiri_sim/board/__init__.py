"""A simulated PYNQ board: the real `pynq` package over the accelerator's RTL (or its golden model) on a desktop."""
