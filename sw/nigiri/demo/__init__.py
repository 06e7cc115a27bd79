"""The demonstration: one query stream, served by the RTL under three cache policies."""
from __future__ import annotations
