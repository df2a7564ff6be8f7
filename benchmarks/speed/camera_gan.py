"""What the learned camera costs per picture on one core, in torch and in ONNX Runtime.

The weights do not matter to the cost: fresh ones are used where no checkpoint ships.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch

from benchmarks.harness import Report, interleave
from benchmarks.speed import crowds
from scenegen.appearance.camera_develop import generated
from scenegen.appearance.camera_generator import SIZES, CameraGenerator, style_code
from scenegen.appearance.camera_inputs import CameraInputs, camera_inputs
from scenegen.appearance.onnx_camera import OnnxAppearance, has_onnx
from scenegen.appearance.watermark import detect_watermark, embed_watermark
from scenegen.render import PinholeCamera, Stage, View, assemble, look
from scenegen.render.picture import Picture
from scenegen.sensors import camera_pose

GOAL_MS = {"S": 30.0, "M": 60.0}
PREDICTED_MS = {"S": 32.0, "M": 62.0}
"""Said before the first run, from a prototype of half the input channels: 30 and 58 ms."""
ABSENT = "onnx or onnxruntime is not installed here, so that ONNX Runtime stands beside nothing"


def run(*, smoke: bool) -> Report:
    """Time network, inputs and the whole way of both sizes at 256 x 512 pixels."""
    camera = PinholeCamera(width_px=64, height_px=32) if smoke else PinholeCamera()
    stage = crowds.street()
    picture = _picture(stage, camera)
    with _one_thread():
        rows = [_measure(size, stage, picture, smoke=smoke) for size in SIZES]
    best = "onnx" if has_onnx() else "torch"
    sentence = " and ".join(f"{row[f'{best} [CPU ms]']} ms ({row['size']})" for row in rows)
    return Report(
        name="speed.camera_gan",
        headline=f"the learned camera costs {sentence} per {camera.height_px}x{camera.width_px}"
        f" picture on one core ({best})",
        rows=rows,
        notes=[
            "torch, onnx: the network alone, one thread, float32",
            "inputs: the stack of channels from buffers that are there; develop: back to radiance",
            "whole: inputs, network and develop",
            "base with light: the picture of the base and its light, which both need beforehand;"
            " base: the same without its light, as the base renderer takes it",
            "mark: the watermark of one picture; detect: finding it, scale unknown",
            *([] if has_onnx() else [ABSENT]),
        ],
        smoke=smoke,
    )


def _picture(stage: Stage, camera: PinholeCamera, *, with_light: bool = True) -> Picture:
    triangles = assemble(stage)
    pose = stage.map_from_ego @ camera_pose(0.5, 0.0, 1.5)
    sight = View.of(camera, pose, triangles.origin)
    return look(stage, triangles, sight, np.random.default_rng(0), with_light=with_light)


def _measure(size: str, stage: Stage, picture: Picture, *, smoke: bool) -> dict[str, object]:
    generator = CameraGenerator(SIZES[size]).eval()
    inputs = camera_inputs(picture, stage, 1)
    tone = generated(generator, inputs, 1)
    marked = embed_watermark(picture.rgb, 1)
    camera = picture.gbuffer.view.camera
    subjects: dict[str, Callable[[], object]] = {
        "torch": lambda: generated(generator, inputs, 1),
        "inputs": lambda: camera_inputs(picture, stage, 1),
        "develop": lambda: inputs.developed(tone),
        "base": lambda: _picture(stage, camera, with_light=False),
        "base with light": lambda: _picture(stage, camera),
        "mark": lambda: embed_watermark(picture.rgb, 1),
        "detect": lambda: detect_watermark(marked),
    }
    if has_onnx():
        runtime = OnnxAppearance(generator)
        subjects["onnx"] = lambda: _tone(runtime, inputs)
        subjects["whole"] = lambda: runtime.develop(picture, stage, 1)
    costs = interleave(subjects, rounds=2 if smoke else 9)
    measured = {f"{name} [CPU ms]": round(1e3 * cost.cpu_s, 1) for name, cost in costs.items()}
    return {
        "size": size,
        "parameters": sum(weight.numel() for weight in generator.parameters()),
        "goal [CPU ms]": GOAL_MS[size],
        "predicted [CPU ms]": PREDICTED_MS[size],
        **measured,
    }


def _tone(runtime: OnnxAppearance, inputs: CameraInputs) -> np.ndarray:
    return runtime.tones(inputs.stack[None], inputs.condition[None], style_code(1)[None])


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch from sharing a picture among cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
