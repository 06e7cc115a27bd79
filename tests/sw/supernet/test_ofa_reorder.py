"""Sorting channels by importance: the same order as the package `ofa`, and what must not change by it."""
import pytest

torch = pytest.importorskip("torch")

import ofa_equivalence  # noqa: E402
import ofa_package  # noqa: E402

from nigiri.supernet.ofa import BadChoice, sort_channels  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")
RESNET, MOBILE, _, PROXYLESS = ofa_equivalence.NETWORKS


@pytest.mark.skipif(not ofa_package.available(), reason="needs pip install --no-deps ofa==0.1.0.post202307202001")
@pytest.mark.parametrize(("name", "trained"), [(RESNET, 0), (RESNET, 2), (MOBILE, 0), (MOBILE, 1), (PROXYLESS, 2)])
def test_the_order_is_that_of_the_package(name, trained):
    # In double precision: the package keeps parts apart by adding 100,000s to the importance of their channels.
    ours, theirs = ofa_equivalence.random_net(name, 13).double(), ofa_package.network(name).double()
    theirs.load_state_dict(ours.state_dict())
    sort_channels(ours, trained)
    theirs.re_organize_middle_weights(expand_ratio_stage=trained)
    want = theirs.state_dict()
    wrong = [key for key, tensor in ours.state_dict().items() if not torch.equal(tensor, want[key])]
    if trained:         # the package does not keep the inner channels of squeeze-and-excite apart
        wrong = [key for key in wrong if ".se.fc." not in key]
    assert wrong == []


@pytest.mark.parametrize("name", [RESNET, MOBILE])
def test_trained_subnets_compute_the_same(name):
    net = ofa_equivalence.random_net(name, 14).double()
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(14)).double()
    expands = sorted(net.space.axes["expand"].allowed[0], reverse=True)
    configs = [net.space.uniform(expand=e) for e in expands]
    for trained, changed in ((2, ()), (1, (2,)), (0, (1, 2))):
        with torch.no_grad():
            before = [net(x, c) for c in configs]
            sort_channels(net, trained)
            after = [net(x, c) for c in configs]
        for n, (a, b) in enumerate(zip(before, after, strict=True)):
            assert torch.allclose(a, b, atol=1e-9) == (n not in changed), (trained, n)


def test_there_are_two_smaller_expansions():
    with pytest.raises(BadChoice) as caught:
        sort_channels(None, 3)
    assert str(caught.value) == (
        "3 smaller expansions are said to be trained: there are two, so 0, 1 or 2 can be")
