"""Sensors on the ego: cameras, lidars, labels, and the rigs that carry them."""

from scenegen.sensors.camera import Camera, camera_pose
from scenegen.sensors.dense import DenseLabels
from scenegen.sensors.labels import Boxes3D, EgoPose
from scenegen.sensors.lidar import LIDAR_MODELS, Lidar, LidarModel
from scenegen.sensors.rig import RIGS, SENSORS, Rig, agent_motions
from scenegen.sensors.sensor import Sensor, WorldView

__all__ = [
    "LIDAR_MODELS",
    "RIGS",
    "SENSORS",
    "Boxes3D",
    "Camera",
    "DenseLabels",
    "EgoPose",
    "Lidar",
    "LidarModel",
    "Rig",
    "Sensor",
    "WorldView",
    "agent_motions",
    "camera_pose",
]
