"""SuperNets in PyTorch: structure, training and batch-norm calibration (needs the ``train`` extra)."""
