"""What surfaces are: the classes of the labels, and the materials that the pictures are made of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.scene import AgentKind


class SurfaceClass(IntEnum):
    """Classes of semantic masks and lidar points; stored in datasets, they never change."""

    SKY = 0
    ROAD = 1
    MARKING = 2
    SIDEWALK = 3
    TERRAIN = 4
    BUILDING = 5
    BARRIER = 6
    POLE = 7
    SIGNAL = 8
    SIGN = 9
    VEGETATION = 10
    CAR = 11
    TRUCK = 12
    BUS = 13
    MOTORCYCLE = 14
    CYCLIST = 15
    PEDESTRIAN = 16
    ANIMAL = 17
    STATIC = 18

    @property
    def is_agent(self) -> bool:
        """Whether things of this class are agents and have an instance number."""
        return self >= SurfaceClass.CAR


CLASS_NAMES = tuple(member.name.lower() for member in SurfaceClass)
"""Name of each class value, for the `classes` of an ArraySpec."""

CLASS_OF_KIND: dict[AgentKind, SurfaceClass] = {kind: SurfaceClass[kind.name] for kind in AgentKind}
"""Class of each kind of agent; a motorcycle or cycle and its rider are one thing."""

CLASS_COLOR = np.array(
    [
        *[(120, 170, 220), (110, 90, 110), (245, 245, 245), (200, 110, 190), (150, 200, 120)],
        *[(95, 95, 95), (160, 140, 110), (190, 190, 60), (250, 170, 30), (220, 220, 0)],
        *[(70, 130, 50), (40, 90, 220), (20, 40, 140), (0, 150, 170), (140, 60, 220)],
        *[(200, 60, 120), (230, 40, 40), (180, 110, 40), (240, 120, 90)],
    ],
    np.uint8,
)
"""Colour to paint each class in, shape (19, 3)."""


class Lamp(IntEnum):
    """Which switch makes a material shine."""

    NONE = 0
    HEAD = 1
    TAIL = 2
    STREET = 3
    ALWAYS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """How a surface takes and gives light.

    Albedos are of the order measured for real surfaces: asphalt 0.05-0.12, concrete 0.3, grass
    0.15-0.25, road paint 0.6 (Oke, Boundary Layer Climates, 1987, table 1.1).

    Attributes:
        albedo: Diffuse reflectance, linear RGB, 0-1.
        gloss: Share of mirror reflection at normal incidence, 0-1; 0.04 for varnish and glass.
        texture: Bitmap that modulates the albedo, "" for none.
        tile: Edge of one repetition of the bitmap [m].
        is_tinted: Whether the colour of the instance multiplies the albedo.
        lamp: Which switch makes it shine.
        emission: Radiance while switched on, linear RGB, in units of a white wall in the sun.
        reflectivity: Share of near-infrared light (905 nm) sent back to a lidar, 0-1; above 1
            for retroreflectors.
    """

    albedo: tuple[float, float, float]
    gloss: float = 0.0
    texture: str = ""
    tile: float = 4.0
    is_tinted: bool = False
    lamp: Lamp = Lamp.NONE
    emission: tuple[float, float, float] = (0.0, 0.0, 0.0)
    reflectivity: float = 0.3


def _grey(value: float) -> tuple[float, float, float]:
    return (value, value, value)


MATERIALS: dict[str, Material] = {
    "asphalt": Material(albedo=(0.118, 0.116, 0.113), texture="asphalt", tile=8, reflectivity=0.12),
    "line": Material(albedo=(0.62, 0.62, 0.6), texture="wear", tile=5, reflectivity=0.7),
    "kerb": Material(albedo=(0.34, 0.33, 0.31), texture="concrete", tile=2, reflectivity=0.35),
    "paving": Material(albedo=(0.30, 0.28, 0.26), texture="paving", tile=3, reflectivity=0.3),
    "grass": Material(albedo=(0.10, 0.125, 0.05), texture="grass", tile=14, reflectivity=0.45),
    "soil": Material(albedo=(0.16, 0.12, 0.08), texture="grass", tile=10, reflectivity=0.3),
    "hill": Material(albedo=(0.07, 0.10, 0.05), texture="grass", tile=90, reflectivity=0.4),
    "concrete": Material(albedo=(0.36, 0.35, 0.33), texture="concrete", tile=5, reflectivity=0.35),
    "brick": Material(albedo=_grey(1.0), texture="facade_brick", tile=12.8, is_tinted=True),
    "plaster": Material(albedo=_grey(1.0), texture="facade_plaster", tile=12.8, is_tinted=True),
    "office": Material(albedo=_grey(1.0), texture="facade_office", tile=12.8, is_tinted=True),
    "shop": Material(albedo=_grey(1.0), texture="facade_shop", tile=12.8, is_tinted=True),
    "wall": Material(albedo=_grey(0.8), texture="concrete", tile=6, is_tinted=True),
    "roof": Material(albedo=(0.14, 0.12, 0.11), texture="concrete", tile=4),
    "tiles": Material(albedo=(0.26, 0.11, 0.07), texture="paving", tile=2),
    "bark": Material(albedo=(0.11, 0.085, 0.06), texture="concrete", tile=1.5),
    "leaf": Material(albedo=(0.10, 0.135, 0.045), texture="leaf", tile=2.0, is_tinted=True),
    "leaf_dark": Material(albedo=(0.065, 0.09, 0.03), texture="leaf", tile=2.0, is_tinted=True),
    "metal": Material(albedo=(0.34, 0.35, 0.36), gloss=0.12, reflectivity=0.4),
    "dark_metal": Material(albedo=(0.06, 0.065, 0.06), gloss=0.05, reflectivity=0.2),
    "paint": Material(albedo=_grey(1.0), gloss=0.06, is_tinted=True, reflectivity=0.35),
    "white_box": Material(albedo=_grey(0.66), gloss=0.03, texture="concrete", tile=9),
    "glass": Material(albedo=(0.012, 0.014, 0.016), gloss=0.05, reflectivity=0.06),
    "rubber": Material(albedo=(0.025, 0.025, 0.027), gloss=0.01, reflectivity=0.08),
    "trim": Material(albedo=(0.035, 0.035, 0.037), gloss=0.03, reflectivity=0.12),
    "rim": Material(albedo=(0.40, 0.41, 0.43), gloss=0.15, reflectivity=0.5),
    "plate": Material(albedo=(0.62, 0.62, 0.58), reflectivity=2.0),
    "headlamp": Material(
        albedo=(0.55, 0.57, 0.6), gloss=0.1, lamp=Lamp.HEAD, emission=(9.0, 8.6, 7.6)
    ),
    "taillamp": Material(
        albedo=(0.26, 0.012, 0.012),
        gloss=0.06,
        lamp=Lamp.TAIL,
        emission=(2.4, 0.10, 0.06),
        reflectivity=1.5,
    ),
    "skin": Material(albedo=(0.42, 0.26, 0.19)),
    "hair": Material(albedo=(0.05, 0.035, 0.025)),
    "cloth": Material(albedo=_grey(0.9), is_tinted=True, texture="wear", tile=3.0),
    "trousers": Material(albedo=(0.055, 0.06, 0.085), texture="wear", tile=3.0),
    "fur": Material(albedo=(0.19, 0.125, 0.075), texture="leaf", tile=3.0),
    "cone": Material(albedo=(0.62, 0.13, 0.03), reflectivity=0.5),
    "crate": Material(albedo=(0.36, 0.25, 0.15), texture="concrete", tile=1.0),
    "street_lamp": Material(
        albedo=_grey(0.6), lamp=Lamp.STREET, emission=(7.0, 5.4, 3.4), reflectivity=0.3
    ),
    "signal_red": Material(albedo=(0.25, 0.02, 0.01), lamp=Lamp.ALWAYS, emission=(2.6, 0.10, 0.04)),
    "signal_yellow": Material(albedo=(0.3, 0.2, 0.02), lamp=Lamp.ALWAYS, emission=(2.4, 1.3, 0.08)),
    "signal_green": Material(
        albedo=(0.02, 0.25, 0.12), lamp=Lamp.ALWAYS, emission=(0.06, 2.0, 1.0)
    ),
    "signal_off": Material(albedo=_grey(0.02), gloss=0.04),
    "sign_white": Material(albedo=_grey(0.68), reflectivity=3.0),
    "sign_red": Material(albedo=(0.45, 0.02, 0.025), reflectivity=2.0),
    "sign_blue": Material(albedo=(0.02, 0.07, 0.33), reflectivity=2.0),
    "sign_green": Material(albedo=(0.01, 0.19, 0.10), reflectivity=2.0),
    "sign_yellow": Material(albedo=(0.62, 0.42, 0.02), reflectivity=2.0),
}
"""Every material by name; a mesh refers to it by its place in this table."""

MATERIAL_INDEX = {name: index for index, name in enumerate(MATERIALS)}
"""Place of each material in MATERIALS."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MaterialTable:
    """MATERIALS as arrays for compiled code; row m is the material with index m.

    Attributes:
        albedo: Shape (M, 3).
        gloss: Shape (M,).
        texture: Index of the bitmap or -1, shape (M,).
        tile: Edge of the bitmap [m], shape (M,).
        is_tinted: Shape (M,).
        lamp: Lamp, shape (M,).
        emission: Shape (M, 3).
        reflectivity: Shape (M,).
    """

    albedo: FloatArray
    gloss: FloatArray
    texture: np.ndarray
    tile: FloatArray
    is_tinted: np.ndarray
    lamp: np.ndarray
    emission: FloatArray
    reflectivity: FloatArray

    @classmethod
    def of(cls, texture_names: tuple[str, ...]) -> MaterialTable:
        """Tabulate MATERIALS; textures are numbered by their place in `texture_names`."""
        rows = list(MATERIALS.values())
        numbers = {name: i for i, name in enumerate(texture_names)} | {"": -1}
        return cls(
            albedo=np.array([m.albedo for m in rows], np.float32),
            gloss=np.array([m.gloss for m in rows], np.float32),
            texture=np.array([numbers[m.texture] for m in rows], np.int32),
            tile=np.array([m.tile for m in rows], np.float32),
            is_tinted=np.array([m.is_tinted for m in rows], np.bool_),
            lamp=np.array([m.lamp for m in rows], np.int32),
            emission=np.array([m.emission for m in rows], np.float32),
            reflectivity=np.array([m.reflectivity for m in rows], np.float32),
        )
