"""The memory of the golden device: allocation, host checks, faults."""
import re

import numpy as np
import pytest

from nigiri.model.memory import BusFault, Memory
from nigiri.runtime.errors import BadAddress, BadArgument, OutOfMemory
from nigiri.spec import ErrorCode


def test_buffers_are_aligned_zeroed_and_apart():
    m = Memory(1 << 16)
    a, b = m.alloc(1), m.alloc(5000)
    assert a % 4096 == b % 4096 == 0 and b - a == 4096
    m.host(a, 4096)[:] = 7
    m.free(a)
    assert m.alloc(4096) == a and not m.host(a, 4096).any()
    assert m.alloc(1) == b + 8192


@pytest.mark.parametrize("call, kind, message", [
    (lambda m, a: m.alloc(0), BadArgument, "a buffer must have at least 1 byte, not 0"),
    (lambda m, a: m.alloc(1 << 16), OutOfMemory, "no gap of 65536 bytes in the device's memory of 65536 bytes: free "
                                                 "buffers or create the device with more memory"),
    (lambda m, a: m.free(a + 64), BadAddress, "there is no buffer at 0x10000040: free only what alloc returned, once"),
    (lambda m, a: m.host(a, 4097), BadAddress, "4097 bytes at 0x10000000 are not inside an allocated buffer: "
                                               "alloc it first"),
    (lambda m, a: m.host(a - 1, 1), BadAddress, "1 bytes at 0xfffffff are not inside an allocated buffer: "
                                               "alloc it first"),
    (lambda m, a: Memory(100), BadArgument, "memory of 100 bytes at 0x10000000: both must be multiples of 4096, the "
                                            "size positive"),
])
def test_refusals(call, kind, message):
    m = Memory(1 << 16)
    a = m.alloc(4096)
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        call(m, a)


def test_accelerator_sees_faults_and_the_end():
    m = Memory(1 << 16)
    words = m.base + 64 * np.arange(1024)
    assert (m.dma(words) == np.arange(1024)).all()
    for kind, at, code in (("error", 100, ErrorCode.AXI_READ), ("silent", 90, ErrorCode.TIMEOUT)):
        m.inject(m.base + at * 64 + 63, 1, kind)
        with pytest.raises(BusFault) as caught:
            m.dma(words)
        assert caught.value.code == code
    m.heal()
    for bad in (m.base - 64, m.base + (1 << 16)):
        with pytest.raises(BusFault) as caught:
            m.dma(np.array([bad]), write=True)
        assert caught.value.code == ErrorCode.AXI_WRITE
