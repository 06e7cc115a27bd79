"""The clock goes down while deadlines are met, and up at once when they are not."""
from __future__ import annotations

import asyncio

import pytest

from nigiri.runtime.errors import BadArgument
from nigiri.sched.policy import NoCache
from nigiri.serving.dispatcher import Dispatcher
from nigiri.serving.governor import Controller, Governor
from nigiri.serving.observer import Observers
from nigiri.serving.replica import Replica
from nigiri.serving.request import Targets


def test_down_by_steps_up_by_factors():
    c = Controller(down=0.1, least=0.3)
    assert [round(c.step(100, 0, 0.2), 2) for _ in range(9)] == [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.3, 0.3]
    assert c.step(90, 10, 0.2) == pytest.approx(0.6) and c.step(90, 10, 0.2) == 1.0
    # A device that is busy all the time is about to be late; one that is well used stays.
    c.step(100, 0, 0.2)
    assert c.step(100, 0, 0.9) == pytest.approx(0.9) and c.step(100, 0, 0.99) == 1.0
    with pytest.raises(BadArgument, match=r"^the frequency controller needs a target in \(0, 1\], up over 1"):
        Controller(up=1.0)


def test_the_clock_of_a_device(model, images):
    governor = Governor(Controller(down=0.2, least=0.2), interval_s=0.05)
    device = Replica("d", lambda: model(1.0), NoCache(on_miss="best"))

    async def main():
        d = Dispatcher([device], observer=Observers(governor))
        await d.start()
        task = asyncio.create_task(governor.run(d))
        clocks = []
        for _ in range(30):
            await d.submit([images[0]], Targets(deadline_ms=100))
            clocks.append(device.backend.clock_mhz)
            await asyncio.sleep(0.02)
        answer = (await d.submit([images[0]]))[0]
        task.cancel()
        await d.close()
        return clocks, answer
    clocks, answer = asyncio.run(main())
    assert clocks[0] == 100 and clocks[-1] == pytest.approx(20)
    assert answer.clock_mhz == pytest.approx(20) and answer.device_ms == pytest.approx(5 * 0.331, rel=0.01)
