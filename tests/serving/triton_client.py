"""Run by the environment that has tritonclient: classifies images over HTTP and gRPC, prints JSON.

usage: triton_client.py IMAGES.npz HTTP GRPC COUNT
"""
import json
import sys

import numpy as np
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException

MODEL = "nigiri-cifar"


def request(module, images, binary=True):
    one = module.InferInput("image", list(images.shape), "UINT8")
    if module is tritonclient.http:
        one.set_data_from_numpy(images, binary_data=binary)
        outputs = [module.InferRequestedOutput(n, binary_data=binary) for n in ("logits", "label")]
    else:
        one.set_data_from_numpy(images)
        outputs = [module.InferRequestedOutput(n) for n in ("logits", "label")]
    return [one], outputs


def refused(client, module, images, model=MODEL, **arguments):
    inputs, outputs = request(module, images)
    try:
        client.infer(model, inputs, outputs=outputs, **arguments)
    except InferenceServerException as error:
        return [str(error.status()), error.message()]
    return None


def run(module, url, images):
    client = module.InferenceServerClient(url)
    got = {"live": client.is_server_live(), "ready": client.is_server_ready(), "model": client.is_model_ready(MODEL)}
    labels, subnets = [], []
    for image in images:
        inputs, outputs = request(module, image[None])
        result = client.infer(MODEL, inputs, outputs=outputs, request_id="7")
        labels.append(int(result.as_numpy("label")[0]))
        assert result.as_numpy("logits").shape == (1, 10)
    got["labels"] = labels
    for accuracy in (0.0, 91.0):
        inputs, outputs = request(module, images[:1])
        result = client.infer(MODEL, inputs, outputs=outputs, parameters={"accuracy": accuracy})
        response = result.get_response()
        value = (response["parameters"]["subnet"] if isinstance(response, dict)
                 else response.parameters["subnet"].string_param)
        subnets.append(value)
    got["subnets"] = subnets
    inputs, outputs = request(module, images[:3], binary=False)
    got["three"] = client.infer(MODEL, inputs, outputs=outputs).as_numpy("label").tolist()
    got["errors"] = [refused(client, module, images[:1], parameters={"accuracy": 99.0}),
                     refused(client, module, images[:1], parameters={"deadline_ms": 0.001}),
                     refused(client, module, images[:1, :30]),
                     refused(client, module, images[:1], parameters={"goal": "luck"}),
                     refused(client, module, images[:1], model="other"),
                     refused(client, module, images[:1], parameters={"subnet": "huge"})]
    return got


if __name__ == "__main__":
    pixels = np.load(sys.argv[1])["images"][:int(sys.argv[4])]
    print(json.dumps({"http": run(tritonclient.http, sys.argv[2], pixels),
                      "grpc": run(tritonclient.grpc, sys.argv[3], pixels)}))
