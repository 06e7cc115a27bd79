"""From an integer SuperNet to programs: graph, weight image, buffer allocation and descriptors (NumPy only)."""
from nigiri.compiler.compile import compile_network
from nigiri.compiler.compiled import CompiledBundle, DumpTensor, LayerInfo
from nigiri.compiler.errors import CompileError
from nigiri.compiler.graph import Layer, Network, Pool, Residual, SubNet, SubNetInfo, SuperLayer

__all__ = ["CompileError", "CompiledBundle", "DumpTensor", "Layer", "LayerInfo", "Network", "Pool", "Residual",
           "SubNet", "SubNetInfo", "SuperLayer", "compile_network"]
