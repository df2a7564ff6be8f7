"""The learned camera on ONNX Runtime: the same numbers as torch for less time on a CPU.

The package is optional, ``pip install 'scenegen[onnx]'``: onnx (Apache-2.0) to lay the network
out, onnxruntime (MIT) to run it.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import threading
import warnings
from typing import Any, Protocol, Self

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
SIZES_KEPT = 8
"""Sizes of pictures that an appearance keeps ready; the one asked for longest ago goes first."""
_PACKAGES = ("onnx", "onnxruntime")


class _Session(Protocol):
    """What we use of `onnxruntime.InferenceSession`, which is not typed."""

    def run(self, names: list[str], values: dict[str, FloatArray]) -> list[FloatArray]:
        """Compute the named outputs."""


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
    is in the batch. The network is laid out anew for each size of pictures: where ONNX Runtime
    knows all shapes it fuses more, and a picture costs an eighth less.
    """

    def __init__(self, generator: CameraGenerator) -> None:
        """Lay out the network of a generator; takes about half a second.

        Raises:
            MissingExtraError: A package is not installed.
        """
        self._data = export_onnx(generator)
        self._sessions: dict[tuple[int, int], _Session] = {}
        self._lock = threading.Lock()

    def __deepcopy__(self, _: object) -> Self:
        """Nothing changes in a run: copies share it."""
        return self

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
            session = self._session(*values[0].shape[-2:])
            tone = session.run([OUTPUT], dict(zip(INPUTS, values, strict=True)))[0]
            out[k] = tone[0, :, :height, :width]
        return out

    def _session(self, rows: int, columns: int) -> _Session:
        """Give the session for padded pictures of a size; a new one takes a fifth of a second."""
        with self._lock:
            session = self._sessions.pop((rows, columns), None) or _opened(
                self._data, {"pictures": 1, "rows": rows, "columns": columns}
            )
            self._sessions[rows, columns] = session  # The last is the one asked for last.
            while len(self._sessions) > SIZES_KEPT:
                self._sessions.pop(next(iter(self._sessions)))
        return session


def _opened(data: bytes, dimensions: dict[str, int]) -> _Session:
    """Make a network ready for given values of its open dimensions."""
    runtime: Any = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1  # frames run side by side, see `Rig.sense`
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    for name, value in dimensions.items():
        options.add_free_dimension_override_by_name(name, value)
    session: _Session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return session


def _check_installed() -> None:
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"the learned camera on ONNX Runtime: expected the package {missing[0]}, which is not"
            " installed; run pip install 'scenegen[onnx]', or take the backend torch"
        )
