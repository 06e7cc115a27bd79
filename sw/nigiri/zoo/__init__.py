"""Networks of ImageNet size with random weights: what the accelerator is measured on before any training.

OFA-ResNet50 and OFA-MobileNetV3 with their real structure, shapes and weight sharing (NumPy only).
"""
from nigiri.zoo.alive import Tensor, check_alive, report
from nigiri.zoo.build import load, names, parse
from nigiri.zoo.cache import cached
from nigiri.zoo.errors import BadConfiguration, BadImageSide, DeadNetwork, UnknownNetwork
from nigiri.zoo.files import load_file, read_subnets
from nigiri.zoo.pictures import pictures
from nigiri.zoo.space import Space, space_of

__all__ = ["BadConfiguration", "BadImageSide", "DeadNetwork", "Space", "Tensor", "UnknownNetwork", "cached",
           "check_alive", "load", "load_file", "names", "parse", "pictures", "read_subnets", "report", "space_of"]
