"""When queries arrive: random processes, real traces, recorded streams.  Times are seconds from 0, ascending."""
from nigiri.traffic.azure import functions_2019, functions_2021, llm_trace
from nigiri.traffic.errors import TrafficError
from nigiri.traffic.processes import bursty, constant, gamma, merge, poisson, ramp
from nigiri.traffic.recorded import load_stream, save_stream
from nigiri.traffic.scale import compress, from_counts, peak_to_mean
from nigiri.traffic.shipped import azure_shape, functions_shape

__all__ = ["TrafficError", "azure_shape", "bursty", "compress", "constant", "from_counts", "functions_2019",
           "functions_2021", "functions_shape", "gamma", "llm_trace", "load_stream", "merge", "peak_to_mean", "poisson",
           "ramp", "save_stream"]
