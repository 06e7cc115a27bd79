"""What others published, in the numbers that the comparisons need, each with its source."""
from __future__ import annotations

__all__ = ["DPU", "ENGINE", "ENGINE_MS", "GAINS", "HYBRIDSERVE", "LAYERS_3X3", "SUPERSERVE",
           "SUPERSERVE_CAPACITY", "SUSHI_END_TO_END"]

ENGINE = {
    "name": "SushiAccel", "mac_units": 1296, "clock_mhz": 100.0, "board": "ZCU104",
    "conditions": "K_P 16, C_P 9, 3x3 engines; six 128-bit read ports; modelled from 108 measured 3x3 layers (error of "
                  "that fit 1.15 %), launch overhead removed, classifier ignored",
    "source": "fit to the per-layer measurements in maeri-project/FEATHER; SUSHI, MLSys 2023, arXiv 2306.17266"}

ENGINE_MS = {"A": 10.5, "B": 14.6, "C": 27.6, "D": 36.7, "E": 52.4, "F": 55.6}
"""Whole OFA-ResNet50 SubNets, milliseconds at 1,296 MAC units and 100 MHz."""

DPU = {"name": "DPU B1152", "mac_units": 576, "clock_mhz": 100.0,
       "source": "layer by layer measurements in maeri-project/FEATHER (utilisation of a B1152 at 100 MHz)"}

LAYERS_3X3 = (
    (0, 24, 3, 224, 2, 0.364, 1.3145), (1, 24, 24, 112, 1, 1.241, 1.0305), (2, 64, 24, 112, 1, 3.52, 1.8050),
    (4, 40, 40, 56, 1, 1.242, 0.6505), (8, 40, 40, 56, 1, 1.241, 0.6486), (11, 40, 40, 56, 1, 1.241, 0.6496),
    (14, 56, 56, 56, 1, 1.891, 1.1197), (17, 104, 104, 56, 2, 1.559, 3.0768), (21, 128, 128, 28, 1, 2.259, 1.2237),
    (24, 104, 104, 28, 1, 1.545, 0.8739), (27, 176, 176, 28, 1, 4.1, 2.1473), (30, 256, 256, 28, 2, 2.583, 4.3942),
    (34, 256, 256, 14, 1, 2.547, 1.3372), (37, 256, 256, 14, 1, 2.551, 1.3310), (40, 208, 208, 14, 1, 1.726, 0.9275),
    (43, 208, 208, 14, 1, 1.726, 0.9317), (46, 208, 208, 14, 1, 1.725, 0.9204), (49, 512, 512, 14, 2, 2.635, 4.9407),
    (53, 512, 512, 7, 1, 2.433, 1.7768), (56, 720, 720, 7, 1, 4.673, 3.4254), (59, 408, 408, 7, 1, 1.549, 1.1952))
"""SubNet F: layer of the published list, output and input channels, input side, stride, milliseconds on the DPU and on
SushiAccel, both measured at 100 MHz with their launch overheads."""

GAINS = {"latency_gain": 0.32, "offchip_energy_saved": 0.787,
         "source": "largest figures: IEEE Micro 2023, DOI 10.1109/MM.2023.3317243 (latency up to 32 %, off-chip energy "
                   "up to 78.7 %); MLSys 2023 says 25 % and 78.7 %"}
"""What SubGraph Stationary saved there at most."""

SUSHI_END_TO_END = {
    "latency_saved": [0.25, 0.32], "accuracy_gained": 0.98, "offchip_energy_saved": 0.787,
    "hit_norm": {"resnet50": 0.66, "mobilenet_v3": 0.78},
    "source": "largest figures: MLSys 2023, arXiv 2306.17266 (latency up to 25 %, served accuracy up to +0.98 points, "
              "off-chip energy up to 78.7 %); IEEE Micro 2023 (latency up to 32 %); hit ratios of the appendix are "
              "recalled, not read again"}
"""What SUSHI saved at most end to end, against no SubGraph Stationary, and its hit ratios by vector norms."""

HYBRIDSERVE = {
    "abstract_times_lower": 19.8,
    "prototype": {"GPT": {"preserved": 1.8, "optimised": 3.6}, "ViT": {"preserved": 7.3, "optimised": 10.4},
                  "T5": {"preserved": 4.6, "optimised": 7.0}},
    "source": "arXiv 2505.12566, abstract; drunkcoding/model-inference, plotting scripts: J/request against DeepSpeed"}
"""Energy at the largest model's accuracy, times lower."""

SUPERSERVE_CAPACITY = 8000.0
"""Queries/s that the published eight devices serve at most."""
SUPERSERVE = {
    "azure": {"attainment": 0.99999, "accuracy_gained": 4.67, "attainment_times": 2.85},
    "bursty": {"attainment": 0.999, "accuracy_gained": 4.33, "attainment_times": 2.06},
    "time_varying": {"attainment": [0.991, 1.0]}, "faults": {"attainment": 0.999, "capacity_left": 0.5},
    "ablation": {"SlackFit": 0.999, "MaxBatch": "loses up to 5 % at CV^2 = 8", "MaxAcc": "diverges"},
    "capacity": SUPERSERVE_CAPACITY, "devices": 8, "slo_ms": 36.0,
    "source": "SuperServe, NSDI 2025, pages 739 to 758: OFAResNet on ImageNet, eight RTX 2080 Ti"}
"""SLO attainment, accuracy gained at equal attainment, and attainment at equal accuracy against Clipper+ and INFaaS."""
