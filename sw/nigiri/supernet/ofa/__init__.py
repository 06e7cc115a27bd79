"""The SuperNets of Once-for-All in PyTorch, with the tensors of the official checkpoints (needs the ``train`` extra)."""
