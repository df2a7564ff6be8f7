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
        roughness: Roughness of the surface, 0 a mirror to 1 chalk, that the bitmaps' finish
            multiplies (Burley, 2012: the square root of the slope of its facets). The rasteriser
            mirrors sharply and does without.
        metallic: Share of the surface that reflects as a metal does, tinted by its albedo, 0-1.
        clearcoat: Share of the surface under a thin clear varnish, 0-1.
    """

    albedo: tuple[float, float, float]
    gloss: float = 0.0
    texture: str = ""
    tile: float = 4.0
    is_tinted: bool = False
    lamp: Lamp = Lamp.NONE
    emission: tuple[float, float, float] = (0.0, 0.0, 0.0)
    reflectivity: float = 0.3
    roughness: float = 0.85
    metallic: float = 0.0
    clearcoat: float = 0.0


def _grey(value: float) -> tuple[float, float, float]:
    return (value, value, value)


MATERIALS: dict[str, Material] = {
    "asphalt": Material(
        albedo=(0.100, 0.098, 0.095), texture="asphalt", tile=8, is_tinted=True, reflectivity=0.12
    ),
    "lane": Material(
        albedo=(0.100, 0.098, 0.095), texture="lane", tile=4, is_tinted=True, reflectivity=0.12
    ),
    "patch": Material(albedo=(0.062, 0.061, 0.060), texture="asphalt", tile=6, reflectivity=0.10),
    "patch_old": Material(albedo=(0.150, 0.146, 0.138), texture="asphalt", tile=6),
    "tar": Material(albedo=(0.024, 0.024, 0.025), gloss=0.012, roughness=0.5, reflectivity=0.07),
    "iron": Material(albedo=(0.075, 0.070, 0.064), gloss=0.02, texture="iron", tile=0.7),
    "line": Material(albedo=(0.60, 0.60, 0.575), texture="line", tile=3, reflectivity=0.7),
    "line_yellow": Material(albedo=(0.50, 0.31, 0.055), texture="line", tile=3, reflectivity=0.6),
    "kerb": Material(albedo=(0.34, 0.33, 0.31), texture="kerb", tile=4, reflectivity=0.35),
    "paving": Material(albedo=(0.30, 0.285, 0.265), texture="paving", tile=3, reflectivity=0.3),
    "gravel": Material(albedo=(0.23, 0.205, 0.175), texture="gravel", tile=3, reflectivity=0.3),
    "grass": Material(
        albedo=(0.115, 0.125, 0.055), texture="grass", tile=14, is_tinted=True, reflectivity=0.45
    ),
    "blade": Material(albedo=(0.125, 0.135, 0.05), is_tinted=True, reflectivity=0.45),
    "soil": Material(albedo=(0.16, 0.12, 0.08), texture="grass", tile=10, reflectivity=0.3),
    "hill": Material(
        albedo=(0.062, 0.085, 0.048), texture="wood", tile=700, is_tinted=True, reflectivity=0.4
    ),
    "concrete": Material(albedo=(0.36, 0.35, 0.33), texture="concrete", tile=5, reflectivity=0.35),
    "brick": Material(albedo=_grey(1.0), texture="facade_brick", tile=12.8, is_tinted=True),
    "ashlar": Material(albedo=_grey(1.0), texture="facade_ashlar", tile=12.8, is_tinted=True),
    "plaster": Material(albedo=_grey(1.0), texture="facade_plaster", tile=12.8, is_tinted=True),
    "panel": Material(albedo=_grey(1.0), texture="facade_panel", tile=12.8, is_tinted=True),
    "office": Material(albedo=_grey(1.0), texture="facade_office", tile=12.8, is_tinted=True),
    "hall": Material(albedo=_grey(1.0), texture="facade_hall", tile=12.8, is_tinted=True),
    "shop": Material(albedo=_grey(1.0), texture="facade_shop", tile=12.8, is_tinted=True),
    "wall": Material(albedo=_grey(0.62), texture="concrete", tile=6, is_tinted=True),
    "frame": Material(albedo=_grey(0.52), gloss=0.01, roughness=0.6),
    "awning": Material(albedo=_grey(0.9), texture="awning", tile=1.6, is_tinted=True),
    "roof": Material(albedo=(0.14, 0.125, 0.115), texture="concrete", tile=4),
    "tiles": Material(albedo=(0.21, 0.098, 0.065), texture="roof_tiles", tile=3),
    "slate": Material(albedo=(0.088, 0.090, 0.096), texture="roof_tiles", tile=3, roughness=0.6),
    "timber": Material(albedo=(0.165, 0.115, 0.072), texture="bark", tile=2),
    "bark": Material(albedo=(0.115, 0.092, 0.070), texture="bark", tile=1.2),
    "leaf": Material(albedo=(0.088, 0.118, 0.040), texture="leaf", tile=2.0, is_tinted=True),
    "leaf_light": Material(albedo=(0.135, 0.165, 0.056), texture="leaf", tile=2, is_tinted=True),
    "leaf_dark": Material(albedo=(0.048, 0.068, 0.024), texture="leaf", tile=2.0, is_tinted=True),
    "metal": Material(
        albedo=(0.34, 0.35, 0.36), gloss=0.12, reflectivity=0.4, roughness=0.45, metallic=0.6
    ),
    "dark_metal": Material(
        albedo=(0.06, 0.065, 0.06), gloss=0.05, reflectivity=0.2, roughness=0.45
    ),
    "street_paint": Material(
        albedo=_grey(1.0), gloss=0.03, is_tinted=True, texture="wear", tile=2, roughness=0.5
    ),
    "paint": Material(
        albedo=_grey(1.0),
        gloss=0.07,
        is_tinted=True,
        reflectivity=0.35,
        roughness=0.32,
        metallic=0.25,
        clearcoat=1.0,
    ),
    "white_box": Material(
        albedo=_grey(0.60), gloss=0.03, texture="box", tile=9, is_tinted=True, roughness=0.5
    ),
    "glass": Material(albedo=(0.012, 0.014, 0.016), gloss=0.06, reflectivity=0.06, roughness=0.015),
    "chrome": Material(
        albedo=(0.42, 0.43, 0.44), gloss=0.35, reflectivity=0.5, roughness=0.12, metallic=1.0
    ),
    "rubber": Material(albedo=(0.025, 0.025, 0.027), gloss=0.01, reflectivity=0.08),
    "trim": Material(albedo=(0.030, 0.030, 0.032), gloss=0.03, reflectivity=0.12, roughness=0.55),
    "gap": Material(albedo=(0.008, 0.008, 0.009), reflectivity=0.1),
    "rim": Material(
        albedo=(0.20, 0.205, 0.215), gloss=0.12, reflectivity=0.5, roughness=0.3, metallic=0.8
    ),
    "plate": Material(albedo=(0.60, 0.60, 0.56), reflectivity=2.0, texture="plate", tile=1.0),
    "headlamp": Material(
        albedo=(0.27, 0.28, 0.30),
        gloss=0.16,
        lamp=Lamp.HEAD,
        emission=(9.0, 8.6, 7.6),
        roughness=0.12,
    ),
    "taillamp": Material(
        albedo=(0.20, 0.008, 0.008),
        gloss=0.08,
        lamp=Lamp.TAIL,
        emission=(1.6, 0.05, 0.03),
        reflectivity=1.5,
        roughness=0.15,
    ),
    "indicator": Material(albedo=(0.42, 0.15, 0.015), gloss=0.06, reflectivity=1.0, roughness=0.2),
    "skin": Material(albedo=(0.36, 0.215, 0.155)),
    "hair": Material(albedo=(0.045, 0.032, 0.024)),
    "cloth": Material(albedo=_grey(0.85), is_tinted=True, texture="wear", tile=3.0),
    "trousers": Material(albedo=(0.050, 0.056, 0.078), texture="wear", tile=3.0),
    "fur": Material(albedo=(0.19, 0.125, 0.075), texture="leaf", tile=3.0),
    "cone": Material(albedo=(0.62, 0.13, 0.03), reflectivity=0.5),
    "crate": Material(albedo=(0.36, 0.25, 0.15), texture="bark", tile=1.0),
    "street_lamp": Material(
        albedo=_grey(0.6), lamp=Lamp.STREET, emission=(7.0, 5.4, 3.4), reflectivity=0.3
    ),
    "signal_red": Material(albedo=(0.25, 0.02, 0.01), lamp=Lamp.ALWAYS, emission=(2.6, 0.10, 0.04)),
    "signal_yellow": Material(albedo=(0.3, 0.2, 0.02), lamp=Lamp.ALWAYS, emission=(2.4, 1.3, 0.08)),
    "signal_green": Material(
        albedo=(0.02, 0.25, 0.12), lamp=Lamp.ALWAYS, emission=(0.06, 2.0, 1.0)
    ),
    "signal_off": Material(albedo=_grey(0.02), gloss=0.04, roughness=0.5),
    "sign_white": Material(albedo=_grey(0.62), reflectivity=3.0, texture="wear", tile=3),
    "sign_red": Material(albedo=(0.38, 0.02, 0.025), reflectivity=2.0, texture="wear", tile=3),
    "sign_blue": Material(albedo=(0.02, 0.07, 0.30), reflectivity=2.0, texture="wear", tile=3),
    "sign_green": Material(albedo=(0.01, 0.15, 0.08), reflectivity=2.0, texture="wear", tile=3),
    "sign_yellow": Material(albedo=(0.58, 0.38, 0.02), reflectivity=2.0, texture="wear", tile=3),
    "beacon": Material(
        albedo=(0.05, 0.12, 0.42), gloss=0.06, lamp=Lamp.ALWAYS, emission=(0.35, 1.3, 8.0)
    ),
    "beacon_off": Material(albedo=(0.03, 0.06, 0.25), gloss=0.08, roughness=0.15),
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
