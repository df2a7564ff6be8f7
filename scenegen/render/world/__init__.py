"""The world around a road map: ground, roadside, buildings, road users, lamps."""

from scenegen.render.world.agents import AgentMotion
from scenegen.render.world.world import World, build_world

__all__ = ["AgentMotion", "World", "build_world"]
