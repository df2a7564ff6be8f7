"""From corners in space to rows and columns of a picture: what all rasterisers share."""

from __future__ import annotations

import numba as nb

from scenegen.render.camera import NEAR


@nb.njit(cache=True, nogil=True, error_model="numpy")
def project_thing(vertices, begin, end, pose, height, width, points, screen):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Bring the corners of a thing into the camera frame, and on the screen: column, row, 1 / z.

    Corners before the near plane have 1 / z = -1 instead.
    """
    turn, eye, focal = pose
    camera = (
        *(turn[0, 0], turn[0, 1], turn[0, 2], turn[1, 0], turn[1, 1], turn[1, 2]),
        *(turn[2, 0], turn[2, 1], turn[2, 2], eye[0], eye[1], eye[2]),
        *(focal, width / 2, height / 2),
    )
    flat = vertices.reshape(-1)[3 * begin : 3 * end]
    _project(flat, camera, points.reshape(-1), screen.reshape(-1))


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _project(vertices, camera, points, screen):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Project vertices; each array is one row, so that this is vectorised."""
    ax, ay, az, bx, by, bz, cx, cy, cz, ex, ey, ez, focal, across, down = camera
    for i in range(len(vertices) // 3):
        x, y, z = vertices[3 * i] - ex, vertices[3 * i + 1] - ey, vertices[3 * i + 2] - ez
        px, py, pz = ax * x + ay * y + az * z, bx * x + by * y + bz * z, cx * x + cy * y + cz * z
        points[3 * i], points[3 * i + 1], points[3 * i + 2] = px, py, pz
        w = 1.0 / pz
        screen[3 * i], screen[3 * i + 1] = focal * px * w + across, focal * py * w + down
        screen[3 * i + 2] = w if pz >= NEAR else -1.0


@nb.njit(cache=True, nogil=True)
def flatten(polygon, count, focal, height, width, flat):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Bring the corners of a polygon, in the camera frame, on the screen."""
    for q in range(count):
        w = 1.0 / polygon[q, 2]
        flat[q, 0] = focal * polygon[q, 0] * w + width / 2
        flat[q, 1] = focal * polygon[q, 1] * w + height / 2
        flat[q, 2] = w


@nb.njit(cache=True, nogil=True)
def clip_near(points, a, b, c, polygon):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Cut a triangle at the near plane into `polygon`, rows of (x, y, z); gives their number.

    An edge is always cut from its end that is seen, so that two triangles agree on the place.
    """
    count = 0
    for edge in range(3):
        i, j = (a, b) if edge == 0 else ((b, c) if edge == 1 else (c, a))
        zi, zj = points[i, 2], points[j, 2]
        if zi >= NEAR:
            for axis in range(3):
                polygon[count, axis] = points[i, axis]
            count += 1
        if (zi >= NEAR) != (zj >= NEAR):
            p, q = (i, j) if zi >= NEAR else (j, i)
            s = (NEAR - points[p, 2]) / (points[q, 2] - points[p, 2])
            for axis in range(3):
                polygon[count, axis] = points[p, axis] + s * (points[q, axis] - points[p, axis])
            count += 1
    return count


@nb.njit(cache=True, nogil=True, forceinline=True)
def centers_before(x, count):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Number of pixel centres, of `count` at half integers, that lie at or before a place."""
    return int(min(max(x, 0.0), float(count)) + 0.5)


@nb.njit(cache=True, nogil=True, forceinline=True)
def from_the_top(screen, a, b, c):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Give three corners by ascending row.

    Every edge is then walked the same way by the two triangles that share it, so that they
    agree to the bit on where it crosses a row: no pixel is left out and none is filled twice.
    """
    ya, yb, yc = screen[a, 1], screen[b, 1], screen[c, 1]
    low, high = min(ya, yb, yc), max(ya, yb, yc)
    first = a if ya == low else (b if yb == low else c)
    last = c if yc == high and first != c else (b if yb == high and first != b else a)
    return first, a + b + c - first - last, last


@nb.njit(cache=True, nogil=True, forceinline=True)
def cross_edge(xa, ya, xb, yb, y, begin, end):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Widen a span by the place where an edge crosses a scanline.

    The edge is always walked upward, so that two triangles agree to the bit on the one they
    share: no pixel is left out and none is filled twice.
    """
    if (ya <= y) == (yb <= y):
        return begin, end
    if ya > yb:
        xa, ya, xb, yb = xb, yb, xa, ya
    x = xa + (y - ya) * (xb - xa) / (yb - ya)
    return min(begin, x), max(end, x)
