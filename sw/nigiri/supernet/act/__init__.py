"""SubNetAct: any SubNet of one resident SuperNet, by control values instead of copies.

Khare et al., "SuperServe: Fine-Grained Inference Serving for Unpredictable Workloads", section 3: the operators
LayerSelect, WeightSlice and SubnetNorm, put into an ordinary model by :func:`insert`.
"""
from nigiri.supernet.act.errors import ActError, BadSubNet, BadTags, Uncalibrated
from nigiri.supernet.act.extract import extract
from nigiri.supernet.act.insert import insert
from nigiri.supernet.act.supernet import ActuatedSuperNet, SubNet, Tags

__all__ = ["ActError", "ActuatedSuperNet", "BadSubNet", "BadTags", "SubNet", "Tags", "Uncalibrated", "extract",
           "insert"]
