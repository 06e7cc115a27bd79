"""The specification: everything hardware, compiler, driver, golden model and documentation agree on.

Standard library only.  Nothing here imports anything else of the project.
"""
from nigiri.spec.config import CONFIGS, AcceleratorConfig, get_config
from nigiri.spec.errors import ErrorCode
from nigiri.spec.memory import MEMORIES, MemorySetting, get_memory

__all__ = ["CONFIGS", "MEMORIES", "AcceleratorConfig", "ErrorCode", "MemorySetting", "get_config", "get_memory"]
