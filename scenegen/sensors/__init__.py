"""Sensors on the ego: cameras, lidars, labels, and the rigs that carry them."""

from scenegen.sensors.backdrop import Backdrop
from scenegen.sensors.camera import Camera, camera_pose
from scenegen.sensors.dense import DenseLabels
from scenegen.sensors.faults import FAULTS, Fault, FaultSchedule
from scenegen.sensors.labels import Boxes3D, EgoPose
from scenegen.sensors.lidar import Lidar
from scenegen.sensors.lidar_models import (
    LIDAR_MODELS,
    FlashModel,
    LidarMake,
    LidarModel,
    RosetteModel,
)
from scenegen.sensors.light import LightMaps
from scenegen.sensors.radar import Radar
from scenegen.sensors.radar_models import RADAR_MODELS, RadarModel
from scenegen.sensors.rig import Rig, agent_motions
from scenegen.sensors.rigs import RIGS, SENSORS
from scenegen.sensors.road_labels import RoadLabels
from scenegen.sensors.sensor import Sensor, WorldView
from scenegen.sensors.shutter import Shutter

__all__ = [
    "FAULTS",
    "LIDAR_MODELS",
    "RADAR_MODELS",
    "RIGS",
    "SENSORS",
    "Backdrop",
    "Boxes3D",
    "Camera",
    "DenseLabels",
    "EgoPose",
    "Fault",
    "FaultSchedule",
    "FlashModel",
    "Lidar",
    "LidarMake",
    "LidarModel",
    "LightMaps",
    "Radar",
    "RadarModel",
    "Rig",
    "RoadLabels",
    "RosetteModel",
    "Sensor",
    "Shutter",
    "WorldView",
    "agent_motions",
    "camera_pose",
]
