"""How everything moves around an instant: twists, poses and triangles a moment later."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scenegen.arrays import BoolArray, FloatArray, check_shape
from scenegen.geometry.angles import wrap_angle
from scenegen.geometry.transforms import se3, se3_inverse
from scenegen.render import Triangles
from scenegen.scene import AgentStates, Scenario


def agent_twists(scenario: Scenario, step: int) -> FloatArray:
    """Velocity and yaw rate of every agent around an instant, by central differences.

    At the ends of a scenario, and where an agent is not there before and after, differences are
    one-sided; an agent seen at one instant alone keeps its speed along its heading.

    Args:
        scenario: What happens.
        step: Which instant.

    Returns:
        Velocity along map x and y [m/s] and yaw rate [rad/s], shape (N, 3), float64.
    """
    agents, here = scenario.agents, scenario.agents[step]
    out = still_twists(here)
    first, last = max(step - 1, 0), min(step + 1, scenario.steps - 1)
    begin = np.where(agents.valid[first], first, step)
    end = np.where(agents.valid[last], last, step)
    rows = np.flatnonzero(here.valid & (end > begin))
    span = scenario.times[end[rows]] - scenario.times[begin[rows]]
    place, yaw = agents.position, agents.yaw
    way = place[end[rows], rows].astype(np.float64) - place[begin[rows], rows]
    turn = wrap_angle(yaw[end[rows], rows].astype(np.float64) - yaw[begin[rows], rows])
    out[rows] = np.column_stack([way, turn]) / span[:, None]
    return out


def still_twists(agents: AgentStates) -> FloatArray:
    """Twists of agents that keep their speed and heading, shape (N, 3), float64."""
    velocity = agents.velocity.astype(np.float64)
    return np.column_stack([velocity, np.zeros(len(velocity))])


def pose_after(map_from_ego: FloatArray, twist: FloatArray, time: FloatArray | float) -> FloatArray:
    """Pose after a time at constant velocity over ground and constant yaw rate.

    Against a true motion with acceleration a the place is off by a t^2 / 2: 1 cm for 8 m/s^2
    over 50 ms.

    Args:
        map_from_ego: Pose at time zero, shape (4, 4).
        twist: Velocity along map x and y [m/s], yaw rate [rad/s], shape (3,).
        time: Times [s], shape (...).

    Returns:
        Poses, shape (..., 4, 4).
    """
    t = np.asarray(time, np.float64)
    angle = twist[2] * t
    turn = np.zeros((*t.shape, 4, 4))
    turn[..., 0, 0] = turn[..., 1, 1] = np.cos(angle)
    turn[..., 1, 0] = np.sin(angle)
    turn[..., 0, 1] = -turn[..., 1, 0]
    turn[..., 2, 2] = turn[..., 3, 3] = 1.0
    pose = np.asarray(map_from_ego, np.float64).copy()
    pose[:3, 3] = 0.0
    out = turn @ pose
    out[..., :3, 3] = map_from_ego[:3, 3]
    out[..., 0, 3] += twist[0] * t
    out[..., 1, 3] += twist[1] * t
    return out


def thing_motions(triangles: Triangles, agents: AgentStates, twists: FloatArray) -> FloatArray:
    """Motion of every thing among triangles: agents move, scenery stands.

    Args:
        triangles: Things with instance numbers.
        agents: Where the agents are, leading shape (N,).
        twists: Their velocities and yaw rates, shape (N, 3).

    Returns:
        Velocity [m/s], yaw rate [rad/s] and centre of rotation relative to the triangles'
        origin [m]: vx, vy, rate, x, y; shape (K, 5).
    """
    check_shape("twists", twists, agents.count, 3)
    out = np.zeros((len(triangles.number), 5))
    rows = np.flatnonzero(triangles.number > 0)
    index = triangles.number[rows].astype(np.int64) - 1
    out[rows, :3] = twists[index]
    out[rows, 3:] = agents.position[index] - triangles.origin[:2]
    return out


def moved(triangles: Triangles, motions: FloatArray, time: float) -> Triangles:
    """Give the triangles after a time, every thing as a rigid body.

    Args:
        triangles: Triangles at time zero.
        motions: From `thing_motions`, shape (K, 5).
        time: Time [s], of either sign.
    """
    if time == 0.0 or not motions[:, :3].any():
        return triangles
    vertices, normals = triangles.vertices.copy(), triangles.normals.copy()
    sphere = triangles.sphere.copy()
    for k in np.flatnonzero(motions[:, :3].any(1)):
        span = slice(int(triangles.first_vertex[k]), int(triangles.first_vertex[k + 1]))
        vertices[span, :2] = _carry(vertices[span, :2], motions[k], time)
        normals[span, :2] = _spin(normals[span, :2], motions[k, 2] * time)
        sphere[k, :2] = _carry(sphere[k, :2], motions[k], time)
    return replace(triangles, vertices=vertices, normals=normals, sphere=sphere)


def _carry(points: FloatArray, motion: FloatArray, time: float) -> FloatArray:
    center = motion[3:]
    return _spin(points - center, motion[2] * time) + center + motion[:2] * time


def _spin(vectors: FloatArray, angle: float) -> FloatArray:
    cos, sin = np.cos(angle), np.sin(angle)
    x, y = vectors[..., 0], vectors[..., 1]
    return np.stack([cos * x - sin * y, sin * x + cos * y], -1)


def moved_agents(agents: AgentStates, twists: FloatArray, time: float) -> AgentStates:
    """Give the agents after a time at constant twists; empty slots stay empty."""
    step = np.where(agents.valid[:, None], twists * time, 0.0)
    return replace(
        agents,
        position=(agents.position + step[:, :2]).astype(agents.position.dtype),
        yaw=wrap_angle(agents.yaw + step[:, 2]).astype(agents.yaw.dtype),
    )


def local_twist(map_from_ego: FloatArray, twist: FloatArray) -> FloatArray:
    """Turn a twist from map axes to axes of the ego, shape (3,)."""
    turn = np.asarray(map_from_ego)[:2, :2]
    return np.array([*(turn.T @ twist[:2]), twist[2]])


def as_measured(
    points: FloatArray, time: FloatArray, twist: FloatArray, ego_from_sensor: FloatArray
) -> FloatArray:
    """Undo the compensation of the ego's motion: points as the sensor met them.

    A point that is stored in the sensor frame of the frame's own instant is expressed in the
    frame the sensor had at the point's own time, when its pulse left.

    Args:
        points: Compensated points [m], shape (n, 3).
        time: Time of each point against the frame's instant [s], shape (n,).
        twist: Twist of the ego in its own axes (forward, left, yaw rate), shape (3,).
        ego_from_sensor: Pose of the sensor, shape (4, 4).

    Returns:
        Points in the frame of the moving sensor [m], shape (n, 3).
    """
    return _change(points, se3_inverse(_drift(time, twist, ego_from_sensor)))


def compensated(
    points: FloatArray, time: FloatArray, twist: FloatArray, ego_from_sensor: FloatArray
) -> FloatArray:
    """Express points as measured in the sensor frame of the frame's own instant.

    The inverse of `as_measured`, with the same arguments.
    """
    return _change(points, _drift(time, twist, ego_from_sensor))


def _drift(time: FloatArray, twist: FloatArray, ego_from_sensor: FloatArray) -> FloatArray:
    """Pose of the sensor at each time in its own frame at time zero, shape (n, 4, 4)."""
    start = se3(np.zeros(3), 0.0, 0.0, 0.0)
    ego = pose_after(start, twist, np.asarray(time, np.float64))
    sensor = np.asarray(ego_from_sensor, np.float64)
    return np.asarray(se3_inverse(sensor) @ ego @ sensor)


def _change(points: FloatArray, poses: FloatArray) -> FloatArray:
    turned = np.einsum("nij,nj->ni", poses[:, :3, :3], np.asarray(points, np.float64))
    return np.asarray(turned + poses[:, :3, 3])


def is_still(twists: FloatArray, valid: BoolArray) -> bool:
    """Whether no agent that is there moves at all."""
    return not bool(twists[valid].any())
