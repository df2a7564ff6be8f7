"""Geometry and light to pictures and ranges: meshes, world, rasterisers, shading."""

from scenegen.render.camera import PinholeCamera, View
from scenegen.render.lidar_raster import RangeImage, RayGrid, cast_grid, hidden_share
from scenegen.render.light_buffers import LightBuffers, light_buffers
from scenegen.render.picture import Picture, look
from scenegen.render.stage import Stage
from scenegen.render.surfaces import CLASS_COLOR, CLASS_NAMES, CLASS_OF_KIND, SurfaceClass
from scenegen.render.triangles import Triangles, assemble
from scenegen.render.world import AgentMotion, World, build_world

__all__ = [
    "CLASS_COLOR",
    "CLASS_NAMES",
    "CLASS_OF_KIND",
    "AgentMotion",
    "LightBuffers",
    "Picture",
    "PinholeCamera",
    "RangeImage",
    "RayGrid",
    "Stage",
    "SurfaceClass",
    "Triangles",
    "View",
    "World",
    "assemble",
    "build_world",
    "cast_grid",
    "hidden_share",
    "light_buffers",
    "look",
]
