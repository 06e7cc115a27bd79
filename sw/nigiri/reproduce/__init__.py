"""Published results, and the same experiments on this accelerator."""
from nigiri.reproduce.sushi_accel import Request, reproduce

__all__ = ["Request", "reproduce"]
