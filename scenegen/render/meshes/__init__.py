"""Procedural meshes: road users, buildings, plants and street furniture."""
