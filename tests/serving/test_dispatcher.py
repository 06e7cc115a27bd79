"""Queue, admission, promises, faults, change of bundle: in one event loop, with the cycle model's clock."""
from __future__ import annotations

import asyncio

import numpy as np
import pytest

from nigiri.sched.errors import SchedulerError
from nigiri.sched.policy import NoCache
from nigiri.sched.routing import get_router
from nigiri.sched.slack import SlackFit
from nigiri.sched.sushi import SushiSched
from nigiri.serving.dispatcher import Dispatcher
from nigiri.serving.errors import (
    BadRequest,
    DeadlineMissed,
    DeviceFault,
    Overloaded,
    Unattainable,
    Unavailable,
    UnknownModel,
)
from nigiri.serving.replica import Replica
from nigiri.serving.request import Targets
from nigiri.serving.service import Model, Service

from .faulty import Faulty


def replicas(model, count=2, policy=lambda: NoCache(on_miss="best"), hang_s=0.3, speed=1.0):
    switches = [Faulty(lambda: model(speed)) for _ in range(count)]
    return switches, [Replica(f"d{n}", s, policy(), hang_s=hang_s) for n, s in enumerate(switches)]


def run(work, devices, **options):
    """work(dispatcher) between start and close."""
    async def main():
        dispatcher = Dispatcher(devices, **options)
        await dispatcher.start()
        try:
            return await work(dispatcher)
        finally:
            await dispatcher.close()
    return asyncio.run(main())


def right(golden, answers, images):
    return all(np.array_equal(a.logits, golden.logits(a.subnet, [x])[0]) for a, x in zip(answers, images, strict=True))


def test_answers_are_the_golden_models(model, golden, images, table):
    async def work(d):
        answers = await d.submit(list(images))
        exact = await d.submit(list(images[:2]), Targets(subnet="s3"))
        strict = await d.submit(list(images[:2]), Targets(accuracy=91.5))
        return answers, exact, strict
    answers, exact, strict = run(work, replicas(model)[1])
    assert right(golden, answers, images) and right(golden, exact, images[:2])
    assert {a.subnet for a in exact} == {"s3"} and all(a.accuracy >= 91.5 for a in strict)
    assert {a.device for a in answers} == {"d0", "d1"}
    assert answers[0].device_ms == pytest.approx(table.latency_ms(0, 0)) and answers[0].energy_mj > 0


def test_refused_at_once(model, images):
    async def work(d):
        with pytest.raises(Unattainable, match=r"^no SubNet reaches 99.90 % accuracy: the best is 'max' with"):
            await d.submit([images[0]], Targets(accuracy=99.9))
        with pytest.raises(Unattainable, match=r"^no SubNet answers within 0.100 ms: the fastest is 'min'.*allow more"):
            await d.submit([images[0]], Targets(latency_ms=0.1))
        with pytest.raises(UnknownModel, match=r"^there is no SubNet 'x': choose one of min, s1,"):
            await d.submit([images[0]], Targets(subnet="x"))
        assert d.pending == 0
    run(work, replicas(model)[1])


def test_bounded_queue_and_deadlines(model, images):
    async def work(d):
        first = asyncio.gather(*(d.submit([x]) for x in images[:8]), return_exceptions=True)
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match=r"^\d images wait already and 8 may: try again later$") as full:
            await d.submit(list(images[:4]))
        with pytest.raises(Overloaded, match=r"^the answer would come .* ms after its deadline of 5 ms: try") as late:
            await d.submit([images[0]], Targets(deadline_ms=5))
        assert full.value.retry_after_s > 0 and late.value.retry_after_s > 0
        answers = await first
        assert all(len(a) == 1 for a in answers)
        # Idle, the same deadline can be met.
        assert (await d.submit([images[0]], Targets(deadline_ms=40)))[0].total_ms <= 40
    run(work, replicas(model, 1, speed=0.1)[1], limit=8)


def test_a_late_answer_is_an_error(model, images):
    switches, devices = replicas(model, 1, hang_s=5)

    async def work(d):
        await d.submit([images[0]])
        switches[0].fault = "hang"
        with pytest.raises(DeadlineMissed, match=r"^not answered within 50 ms: the devices were slower than predicted"):
            await d.submit([images[0]], Targets(deadline_ms=50))
        switches[0].release.set()
    run(work, devices)


def test_what_missed_its_deadline_leaves_the_queue_though_no_device_is_idle(model, images):
    switches, devices = replicas(model, 1, hang_s=5)

    async def work(d):
        switches[0].fault = "hang"
        held = asyncio.create_task(d.submit([images[0]]))
        await asyncio.sleep(0.02)
        late = asyncio.gather(*(d.submit([x], Targets(deadline_ms=200)) for x in images[:4]), return_exceptions=True)
        await asyncio.sleep(0)
        assert d.waiting == 4
        assert {type(e) for e in await late} == {DeadlineMissed}
        assert d.waiting == 0 and d.pending == 1
        switches[0].fault = None
        switches[0].release.set()
        assert len(await held) == 1
    run(work, devices, limit=4)


@pytest.mark.parametrize("fault", ["raise", "hang", "lie"])
def test_a_device_that_fails_is_reset_and_its_queries_go_elsewhere(model, golden, images, fault):
    switches, devices = replicas(model)

    async def work(d):
        switches[0].fault = fault
        answers = await asyncio.gather(*(d.submit([x]) for x in images))
        assert devices[0].faults >= 1 and max(a[0].tries for a in answers) >= 1
        switches[0].fault = None
        for _ in range(100):
            if devices[0].state == "up":
                break
            await asyncio.sleep(0.05)
        assert devices[0].state == "up" and switches[0].opened >= 2
        answers += await asyncio.gather(*(d.submit([x]) for x in images))
        assert {a[0].device for a in answers[len(images):]} == {"d0", "d1"}
        return answers
    answers = run(work, devices, check=1.0 if fault == "lie" else 0.0, golden=golden.logits)
    switches[0].release.set()
    assert right(golden, [a[0] for a in answers], [*images, *images])


def test_nothing_works(model, images):
    switches, devices = replicas(model)

    async def work(d):
        for s in switches:
            s.gone = True
        with pytest.raises((DeviceFault, DeadlineMissed, Unavailable)):
            await d.submit([images[0]], Targets(deadline_ms=300))
        with pytest.raises(Unavailable, match=r"^no device works now: try again in a second$"):
            await d.submit([images[0]])
    run(work, devices)
    with pytest.raises(Exception, match=r"^no such device$"):
        run(work, devices)


def test_the_end_answers_what_was_accepted(model, images):
    async def work(d):
        under_way = asyncio.gather(*(d.submit([x]) for x in images))
        await asyncio.sleep(0)
        assert await d.drain(10)
        with pytest.raises(Unavailable, match=r"^the server stops: ask another one$"):
            await d.submit([images[0]])
        return await under_way
    assert len(run(work, replicas(model)[1])) == len(images)


def test_batches_and_deadlines_first(model, loaded, images):
    from nigiri.serving.backend import Golden, ModelBackend
    from nigiri.serving.build import Tables
    from nigiri.spec import get_config

    table = Tables(loaded, 2, (1, 4)).of(get_config("pynq_z2"))[1]
    golden = Golden(loaded)
    for s in table.subnets:
        golden.logits(s.name, images)
    _, devices = replicas(lambda speed: ModelBackend(golden, table, 100 * speed), 1, lambda: SlackFit(fit="queue"),
                            speed=0.2)

    async def work(d):
        answers = await asyncio.gather(*(d.submit([x], Targets(deadline_ms=2000)) for x in images[:16]))
        return [a[0] for a in answers]
    answers = run(work, devices)
    assert max(a.launch for a in answers) == 4 and right(golden, answers, images[:16])


def test_cache_changes_while_serving(model, golden, images):
    _, devices = replicas(model, 2, lambda: SushiSched(period=2, on_miss="best"))

    async def work(d):
        answers = []
        for accuracy in (0, 91.5, 0, 91.5):
            for _ in range(2):
                answers += await d.submit(list(images[:6]), Targets(accuracy=accuracy))
        return answers
    answers = run(work, devices, router=get_router("round-robin"))
    assert sum(r.changes for r in devices) >= 2 and len({a.cached for a in answers}) >= 2
    assert all(a.accuracy >= 91.5 for a in answers[12:24]) and right(golden, answers[:6], images[:6])


def test_change_of_bundle_loses_nothing(model, loaded, images):
    _, devices = replicas(model)
    service = Service(Model.of(loaded), Dispatcher(devices))

    async def main():
        await service.dispatcher.start()
        stop, answers = asyncio.Event(), []

        async def client():
            while not stop.is_set():
                answers.extend(await service.infer(images[:1], Targets()))
        clients = [asyncio.create_task(client()) for _ in range(4)]
        await asyncio.sleep(0.1)
        other = Model(name="nigiri-cifar", version="2", image=(32, 32, 3), classes=10)
        await service.reload(other, [lambda: model(1.0)] * 2)
        await asyncio.sleep(0.1)
        stop.set()
        await asyncio.gather(*clients)
        with pytest.raises(BadRequest, match=r"^the new bundle takes images \[8, 8, 3\] and has 10 classes"):
            await service.reload(Model(name="x", version="3", image=(8, 8, 3), classes=10), [])
        await service.dispatcher.close()
        return answers
    answers = asyncio.run(main())
    assert service.model.version == "2" and len(answers) > 50 and all(a.tries == 0 for a in answers)


@pytest.mark.parametrize("name", ["locality", "round-robin", "least-used"])
def test_routers(model, images, name):
    async def work(d):
        return await asyncio.gather(*(d.submit([x]) for x in images))
    assert len(run(work, replicas(model, 3)[1], router=get_router(name))) == len(images)


def test_locality_goes_where_the_subgraph_fits(model, table, images):
    _, devices = replicas(model, 3)

    async def work(d):
        best = {}
        for n, r in enumerate(devices[:2]):
            best[n] = 1 + n
            await r.load(1 + n)
        await asyncio.sleep(0.2)
        fastest = min(range(3), key=lambda n: table.cycles[-1, devices[n].column])
        return fastest, (await d.submit([images[0]], Targets(subnet=None, accuracy=91.5)))[0].device
    fastest, device = run(work, devices)
    assert device == f"d{fastest}"


def test_unknown_router():
    with pytest.raises(SchedulerError, match=r"^unknown router 'x': choose one of locality, round-robin, least-used$"):
        get_router("x")
