"""Rare driving events as Gymnasium environments; importing this package registers their ids."""

from scenegen_envs.registration import IDS, register_all

__all__ = ["IDS", "register_all"]

register_all()
