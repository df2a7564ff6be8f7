"""The learned camera on ONNX Runtime: the same numbers as torch for less time on a CPU.

The package is optional, ``pip install 'scenegen[onnx]'``: onnx (Apache-2.0) to lay the network
out, onnxruntime (MIT) to run it.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import warnings
from typing import Any

import numpy as np
import torch

from scenegen.appearance.camera_condition import CONDITION_NAMES
from scenegen.appearance.camera_generator import STYLE_SIZE, CameraGenerator, padded, style_code
from scenegen.appearance.camera_inputs import CHANNELS, camera_inputs
from scenegen.arrays import FloatArray, check_shape
from scenegen.render.picture import Picture
from scenegen.render.ray_caster import MissingExtraError
from scenegen.render.stage import Stage

OPSET = 17
"""Version of the operators; ONNX Runtime 1.13 and later know it."""
INPUTS, OUTPUT = ("stack", "condition", "style"), "tone"
_PACKAGES = ("onnx", "onnxruntime")


def has_onnx() -> bool:
    """Whether both packages are installed."""
    return all(importlib.util.find_spec(name) is not None for name in _PACKAGES)


def export_onnx(generator: CameraGenerator) -> bytes:
    """Give a generator as an ONNX file; numbers of pictures, rows and columns stay open.

    Raises:
        MissingExtraError: A package is not installed.
    """
    _check_installed()
    size = 64
    arguments = (
        torch.zeros(1, len(CHANNELS), size, size),
        torch.zeros(1, len(CONDITION_NAMES)),
        torch.zeros(1, STYLE_SIZE),
    )
    file = io.BytesIO()
    with warnings.catch_warnings():
        # torch announces its other exporter, which needs a further package, onnxscript.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            generator.eval(),
            arguments,
            file,  # type: ignore[arg-type] # a file object is welcome, its type is not told
            dynamo=False,
            opset_version=OPSET,
            input_names=list(INPUTS),
            output_names=[OUTPUT],
            dynamic_axes={
                "stack": {0: "pictures", 2: "rows", 3: "columns"},
                "condition": {0: "pictures"},
                "style": {0: "pictures"},
                OUTPUT: {0: "pictures", 2: "rows", 3: "columns"},
            },
        )
    return file.getvalue()


class OnnxAppearance:
    """The appearance of a generator, computed by ONNX Runtime in one thread.

    Threads may share it: a run keeps nothing. The same input gives the same bytes, whatever else
    is in the batch.
    """

    def __init__(self, generator: CameraGenerator) -> None:
        """Lay out the network of a generator and make it ready; takes about half a second.

        Raises:
            MissingExtraError: A package is not installed.
        """
        data = export_onnx(generator)
        runtime: Any = importlib.import_module("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1  # frames run side by side, see `Rig.sense`
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session: Any = runtime.InferenceSession(
            data, options, providers=["CPUExecutionProvider"]
        )

    def develop(self, picture: Picture, stage: Stage, style_seed: int) -> FloatArray:
        """Give radiance in place of the base's; see CameraAppearance."""
        inputs = camera_inputs(picture, stage, style_seed)
        style = style_code(style_seed)
        return inputs.developed(
            self.tones(inputs.stack[None], inputs.condition[None], style[None])[0]
        )

    def tones(self, stack: FloatArray, condition: FloatArray, style: FloatArray) -> FloatArray:
        """Run the network on several pictures, one after the other in one call each.

        A batch in one call would be no faster on one core, and its sums might depend on its size.

        Args:
            stack: Inputs, shape (B, C, H, W), float32, any H and W.
            condition: Numbers of the condition codes, shape (B, K), float32.
            style: Style codes, shape (B, STYLE_SIZE), float32.

        Returns:
            Tone, shape (B, 3, H, W), float32.
        """
        check_shape("stack", stack, "B", len(CHANNELS), "H", "W")
        height, width = stack.shape[-2:]
        out = np.empty((len(stack), 3, height, width), np.float32)
        for k in range(len(stack)):
            one = slice(k, k + 1)
            values = (padded(stack[one]), condition[one], style[one])
            tone = self._session.run([OUTPUT], dict(zip(INPUTS, values, strict=True)))[0]
            out[k] = tone[0, :, :height, :width]
        return out


def _check_installed() -> None:
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"the learned camera on ONNX Runtime: expected the package {missing[0]}, which is not"
            " installed; run pip install 'scenegen[onnx]', or take the backend torch"
        )
