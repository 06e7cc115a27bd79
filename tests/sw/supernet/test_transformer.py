"""The transformer SuperNet against torch's own encoder layers and against SubNets taken out of it."""
import random

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from nigiri.supernet.choices import BadChoice  # noqa: E402
from nigiri.supernet.transformer import (  # noqa: E402
    BadTokens,
    Transformer,
    TransformerConfig,
    TransformerSpace,
    kept_layers,
)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(5)
    return Transformer().eval()


@pytest.fixture(scope="module")
def batch():
    """Tokens, and which of them are real."""
    g = torch.Generator().manual_seed(6)
    return torch.randint(0, 256, (4, 20), generator=g), torch.arange(20) < torch.tensor([[20], [13], [1], [7]])


def reference(net, config, tokens, real):
    """The SubNet out of torch's full-size encoder layers: heads and neurons beyond its prefix have zero weights."""
    s = net.shape
    x = net.norm(net.tokens(tokens) + net.places(torch.arange(tokens.shape[1])))
    for n, used in enumerate(net.space.used(config)):
        if not used:
            continue
        ours = net.layers[n]
        layer = nn.TransformerEncoderLayer(s.hidden, 4, 512, dropout=0.0, activation="gelu", batch_first=True).eval()
        with torch.no_grad():
            attention = layer.self_attn
            attention.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key.weight, ours.value.weight]))
            attention.in_proj_bias.copy_(torch.cat([ours.query.bias, ours.key.bias, ours.value.bias]))
            pairs = [(attention.out_proj, ours.out), (layer.linear1, ours.up), (layer.linear2, ours.down),
                     (layer.norm1, ours.norm1), (layer.norm2, ours.norm2)]
            for to, source in pairs:
                to.load_state_dict(source.state_dict())
            attention.out_proj.weight[:, config.heads[n] * s.head_size:] = 0
            layer.linear2.weight[:, config.feed_forward[n]:] = 0
        x = layer(x, src_key_padding_mask=None if real is None else ~real)
    mean = x.mean(1) if real is None else torch.stack([row[keep].mean(0) for row, keep in zip(x, real, strict=True)])
    return net.classifier(mean)


@pytest.mark.parametrize("padded", [False, True])
def test_subnets_are_torchs_layers_with_parts_left_out(net, batch, padded):
    tokens, real = batch[0], batch[1] if padded else None
    rng = random.Random(7)
    for config in (net.space.largest(), net.space.smallest(), *(net.space.sample(rng) for _ in range(4))):
        with torch.no_grad():
            got, want = net(tokens, config, real), reference(net, config, tokens, real)
        torch.testing.assert_close(got, want, atol=1e-5, rtol=1e-4, msg=lambda m, c=config: f"seed 7, {c}: {m}")


def test_a_subnet_equals_the_same_network_taken_out(net, batch):
    rng = random.Random(8)
    for config in (net.space.largest(), net.space.smallest(), *(net.space.sample(rng) for _ in range(10))):
        small = net.extract(config)
        with torch.no_grad():
            got = small(batch[0], small.space.largest(), batch[1])
            torch.testing.assert_close(got, net(batch[0], config, batch[1]), atol=1e-6, rtol=1e-5)
        assert small.space.largest() == small.space.smallest()
    assert sum(p.numel() for p in small.parameters()) < sum(p.numel() for p in net.parameters())
    small.classifier.weight.data.zero_()
    assert net.classifier.weight.any()              # copies, not views


def test_padding_has_no_influence(net, batch):
    tokens, real = batch
    config = net.space.largest()
    with torch.no_grad():
        alone = net(tokens[3:, :7], config)
        torch.testing.assert_close(net(tokens, config, real)[3:], alone, atol=1e-5, rtol=1e-4)


def test_layers_left_out_are_spread_evenly():
    """The rule of DynaBERT: for a share m of the depth, layer d (from 1) goes where d is a multiple of 1 / (1 - m)."""
    assert [n for n, kept in enumerate(kept_layers(12, 9)) if not kept] == [3, 7, 11]
    assert [n for n, kept in enumerate(kept_layers(12, 6)) if not kept] == [1, 3, 5, 7, 9, 11]
    assert all(sum(kept_layers(layers, depth)) == depth for layers in range(1, 13) for depth in range(layers + 1))


def test_reordering_keeps_the_full_network_and_puts_the_important_parts_first(net, batch):
    other = net.extract(net.space.largest())
    largest = other.space.largest()
    g = torch.Generator().manual_seed(9)
    heads = [torch.rand(4, generator=g) for _ in range(6)]
    neurons = [torch.rand(512, generator=g) for _ in range(6)]
    first = other.layers[0].up.weight[neurons[0].argmax()].clone()
    key = other.layers[0].key.weight[32 * heads[0].argmax():][:32].clone()
    with torch.no_grad():
        before = other(batch[0], largest)
        other.reorder(heads, neurons)
        torch.testing.assert_close(other(batch[0], largest), before, atol=1e-5, rtol=1e-4)
    assert torch.equal(other.layers[0].up.weight[0], first) and torch.equal(other.layers[0].key.weight[:32], key)


def test_it_learns_and_every_weight_gets_a_gradient():
    """A few steps of the largest and the smallest SubNet on sequences whose class is a token that they hold."""
    torch.manual_seed(10)
    net = Transformer(TransformerSpace(hidden=32, head_size=8, vocabulary=16, heads=((1, 2), (1, 2)),
                                       feed_forward=((16, 32), (32, 64)), depths=(1, 2), classes=2))
    tokens = torch.randint(2, 16, (64, 12))
    labels = torch.arange(64) % 2
    tokens[torch.arange(64), torch.randint(0, 12, (64,))] = labels
    configs = (net.space.largest(), net.space.smallest())
    optimiser = torch.optim.Adam(net.parameters(), 0.01)
    for _ in range(40):
        optimiser.zero_grad()
        for config in configs:
            nn.functional.cross_entropy(net(tokens, config), labels).backward()
        optimiser.step()
    assert all(p.grad is not None for p in net.parameters())
    with torch.no_grad():
        assert all((net(tokens, c).argmax(1) == labels).float().mean() > 0.9 for c in configs)


def test_refusals(net, batch):
    tokens, real = batch
    config = net.space.smallest()

    def message(*args) -> str:
        with pytest.raises((BadTokens, BadChoice)) as caught:
            net(*args)
        return str(caught.value)

    takes = "nigiri-transformer takes int64 tokens of shape [N, 1..64], not "
    assert message(tokens.int(), config) == takes + "int32 [4, 20]"
    assert message(tokens[0], config) == takes + "int64 [20]"
    assert message(torch.zeros(1, 65, dtype=torch.int64), config) == takes + "int64 [1, 65]"
    assert message(torch.tensor([[3, 256]]), config) == (
        "the tokens reach from 3 to 256: nigiri-transformer knows 0 to 255")
    for mask in (real[:2], real.int(), torch.zeros_like(real)):
        assert message(tokens, config, mask) == "the mask must be bool [4, 20] with a real token in every sequence"
    assert message(tokens, TransformerConfig(depth=(5,), heads=(1,) * 6, feed_forward=(128,) * 6)) == (
        "depth[0] of nigiri-transformer is 5: allowed are 3, 4, 6")
    assert message(tokens, TransformerConfig(depth=(6,), heads=(5,) * 6, feed_forward=(128,) * 6)) == (
        "heads[0] of nigiri-transformer is 5: allowed are 1, 2, 3, 4")
    with pytest.raises(BadChoice) as caught:
        Transformer(TransformerSpace(depths=(3, 5)))
    assert str(caught.value) == ("nigiri-transformer has heads for 6 layers, feed-forward widths for 6 and depths up "
                                 "to 5: the three must agree")
