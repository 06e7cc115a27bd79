"""The SuperNets of Once-for-All in PyTorch, with the tensors of the official checkpoints (extra ``train``)."""
from nigiri.supernet.choices import BadChoice
from nigiri.supernet.ofa.build import names, ofa_net
from nigiri.supernet.ofa.checkpoint import URLS, load_checkpoint, load_tensors
from nigiri.supernet.ofa.config import MobileConfig, ResNetConfig, from_choice, from_ofa, to_ofa
from nigiri.supernet.ofa.errors import BadCheckpoint, BadImages, BadStatistics, DownloadFailed, UnknownSuperNet
from nigiri.supernet.ofa.layers import Stats
from nigiri.supernet.ofa.net import ElasticNet
from nigiri.supernet.ofa.reorder import sort_channels

__all__ = ["URLS", "BadCheckpoint", "BadChoice", "BadImages", "BadStatistics", "DownloadFailed", "ElasticNet",
           "MobileConfig", "ResNetConfig", "Stats", "UnknownSuperNet", "from_choice", "from_ofa", "load_checkpoint",
           "load_tensors", "names", "ofa_net", "sort_channels", "to_ofa"]
