"""MLPerf Tiny's ResNet-8 (int8 TFLite) on the accelerator: accuracy beside the TFLite interpreter, the largest
difference of every layer given the same inputs, RTL cycles of single images and batches.  Needs the extra `import` and
ai-edge-litert:

    scripts/mlperf_resnet8.py MODEL.tflite CIFAR_FOLDER [--images 10000] > docs/results/mlperf_resnet8.json
"""
from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter as TFLite

from nigiri import bundle
from nigiri.compiler.interpret import Interpreter
from nigiri.importer.compare import differences
from nigiri.importer.lower import SUBNET
from nigiri.supernet.data import load_split

NIGIRI = Path(sys.executable).with_name("nigiri")
BATCHES = (1, 2, 4, 8, 16)


def tflite_run(model: Path, images: np.ndarray, keep: bool = False) -> tuple[np.ndarray, list[dict[int, np.ndarray]]]:
    """(results int8 [N, classes], every tensor by number of each image if `keep`) of images uint8."""
    t = TFLite(str(model), experimental_preserve_all_tensors=keep)
    t.allocate_tensors()
    source, result = t.get_input_details()[0]["index"], t.get_output_details()[0]["index"]
    out, tensors = [], []
    for image in images:
        t.set_tensor(source, (image.astype(np.int16) - 128).astype(np.int8)[None])
        t.invoke()
        out.append(t.get_tensor(result)[0].copy())
        if keep:
            tensors.append({d["index"]: t.get_tensor(d["index"]).copy() for d in t.get_tensor_details()
                            if d["dtype"] == np.int8})
    return np.array(out), tensors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("cifar", type=Path)
    parser.add_argument("--images", type=int, default=10_000)
    a = parser.parse_args()
    images, labels = load_split(a.cifar, "test")
    images, labels = images[::len(images) // a.images], labels[::len(labels) // a.images]
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "resnet8.nigiri"
        subprocess.run([NIGIRI, "import", a.model, "-o", made], check=True, stdout=subprocess.DEVNULL)
        loaded = bundle.load(made)
        network = loaded.network
        ours = Interpreter(network, SUBNET).logits(images)
        print(f"{len(images)} images through the integer interpreter", file=sys.stderr)
        theirs, _ = tflite_run(a.model, images)
        _, kept = tflite_run(a.model, images[:16], keep=True)
        tensors = {n: np.concatenate([k[n] for k in kept]) for n in kept[0] if kept[0][n].shape[0] == 1}
        places = {name: int(n[1:]) for name, n in loaded.facts["tensors"].items() if int(n[1:]) in tensors}
        layers = differences(network, images[:16], {name: tensors[n] for name, n in places.items()})
        batches = []
        for n in BATCHES:
            done = subprocess.run([NIGIRI, "bench", "network", f"{made}:{SUBNET}", "--config", "pynq_z2", "--device",
                                   "rtl", "--batch", str(n), "--json"], check=True, stdout=subprocess.PIPE)
            b = json.loads(done.stdout)
            batches.append({k: b[k] for k in ("config", "memory", "clock_mhz", "batch", "cycles", "cycles_per_image",
                                              "utilization", "bit_exact", "tensors_compared")}
                           | {"images_per_second": b["clock_mhz"] * 1e6 / b["cycles_per_image"]})
        print(json.dumps({
            "model": a.model.name, "images": len(images),
            "accuracy": 100 * float((ours.argmax(1) == labels).mean()),
            "accuracy_tflite": 100 * float((theirs.argmax(1) == labels).mean()),
            "same_answer": float((ours.argmax(1) == theirs.argmax(1)).mean()),
            "layers": [{**asdict(d), "tflite": places[d.tensor]} for d in layers],
            "published": {"images_per_second": 2431, "clock_mhz": 143, "part": "xc7z020"}, "rtl": batches}, indent=2))


if __name__ == "__main__":
    main()
