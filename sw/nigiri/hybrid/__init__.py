"""Networks with convolution and attention blocks: search space, training, integer networks, mapping, search.

What needs torch is imported where it is used.
"""
