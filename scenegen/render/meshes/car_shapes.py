"""Proportions of the types of cars."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CarShape:
    """Proportions of one type of car; x runs from the tail (-0.5) to the nose (0.5).

    Attributes:
        size: Length, width, height [m].
        stations: Places of the control sections, as shares of the length.
        top: Height of the silhouette at each station [m].
        belt: Height of the belt line at each station [m]; equal to `top` on bonnet and boot.
        windscreen: Begin and end of the windscreen, shares of the length.
        rear_window: Begin and end of the rear window.
        windows: Begin and end of the side windows.
        pillars: Places of the pillars between side windows.
        doors: Places of the gaps between doors and body.
        handles: Places of the door handles.
        wheel_radius: Radius of the wheels [m].
        axles: Places of the rear and the front axle [m].
        plates: Height of the plates in front and behind [m].
        clearance: Height of the floor [m].
        grille: Height of the grille as a share of the nose.
        tumblehome: How far the side windows lean in, metres per metre of height.
        rails: Whether there are rails on the roof.
        bed: Begin and end of an open load bed; the same place twice for none.
    """

    size: tuple[float, float, float]
    stations: tuple[float, ...]
    top: tuple[float, ...]
    belt: tuple[float, ...]
    windscreen: tuple[float, float]
    rear_window: tuple[float, float]
    windows: tuple[float, float]
    pillars: tuple[float, ...]
    doors: tuple[float, ...]
    handles: tuple[float, ...]
    wheel_radius: float
    axles: tuple[float, float]
    plates: tuple[float, float]
    clearance: float = 0.19
    grille: float = 0.28
    tumblehome: float = 0.34
    rails: bool = False
    bed: tuple[float, float] = (0.0, 0.0)

    @property
    def arch(self) -> float:
        """Radius of the wheel arches [m]."""
        return 1.14 * self.wheel_radius


CAR_SHAPES: dict[str, CarShape] = {
    "sedan": CarShape(
        size=(4.65, 1.82, 1.46),
        stations=(-0.5, -0.49, -0.44, -0.33, -0.2, -0.03, 0.09, 0.235, 0.36, 0.45, 0.488, 0.5),
        top=(0.93, 1.00, 1.03, 1.06, 1.37, 1.46, 1.42, 1.02, 0.94, 0.83, 0.76, 0.70),
        belt=(0.93, 0.99, 1.00, 1.00, 0.97, 0.95, 0.94, 0.96, 0.93, 0.83, 0.76, 0.70),
        windscreen=(0.092, 0.232),
        rear_window=(-0.328, -0.205),
        windows=(-0.29, 0.17),
        pillars=(-0.06,),
        doors=(0.185, -0.062, -0.255),
        handles=(-0.028, -0.215),
        wheel_radius=0.33,
        axles=(-1.32, 1.38),
        plates=(0.45, 0.70),
    ),
    "hatch": CarShape(
        size=(4.15, 1.78, 1.50),
        stations=(-0.5, -0.492, -0.46, -0.375, -0.2, -0.02, 0.1, 0.245, 0.36, 0.45, 0.488, 0.5),
        top=(0.96, 1.04, 1.14, 1.40, 1.48, 1.50, 1.45, 1.05, 0.97, 0.85, 0.78, 0.71),
        belt=(0.96, 0.98, 1.00, 1.00, 0.98, 0.96, 0.95, 0.98, 0.95, 0.85, 0.78, 0.71),
        windscreen=(0.102, 0.242),
        rear_window=(-0.468, -0.378),
        windows=(-0.36, 0.17),
        pillars=(-0.08, -0.28),
        doors=(0.185, -0.082, -0.272),
        handles=(-0.045, -0.235),
        wheel_radius=0.32,
        axles=(-1.25, 1.27),
        plates=(0.44, 0.72),
        grille=0.2,
    ),
    "suv": CarShape(
        size=(4.70, 1.90, 1.71),
        stations=(-0.5, -0.492, -0.465, -0.4, -0.25, 0.0, 0.11, 0.228, 0.34, 0.45, 0.49, 0.5),
        top=(1.05, 1.13, 1.26, 1.58, 1.68, 1.71, 1.66, 1.20, 1.13, 1.03, 0.97, 0.90),
        belt=(1.05, 1.09, 1.11, 1.12, 1.10, 1.08, 1.07, 1.12, 1.10, 1.03, 0.97, 0.90),
        windscreen=(0.112, 0.226),
        rear_window=(-0.472, -0.402),
        windows=(-0.40, 0.17),
        pillars=(-0.06, -0.28),
        doors=(0.185, -0.062, -0.268),
        handles=(-0.028, -0.232),
        wheel_radius=0.37,
        axles=(-1.38, 1.40),
        plates=(0.52, 0.79),
        clearance=0.23,
        grille=0.36,
        rails=True,
    ),
    "pickup": CarShape(
        size=(5.60, 1.98, 1.86),
        stations=(-0.5, -0.495, -0.3, -0.122, -0.1, -0.06, 0.06, 0.1, 0.215, 0.32, 0.45, 0.5),
        top=(1.18, 1.22, 1.23, 1.24, 1.72, 1.84, 1.86, 1.82, 1.30, 1.24, 1.16, 1.06),
        belt=(1.18, 1.22, 1.23, 1.22, 1.22, 1.22, 1.22, 1.21, 1.24, 1.22, 1.16, 1.06),
        windscreen=(0.102, 0.212),
        rear_window=(-0.12, -0.102),
        windows=(-0.095, 0.16),
        pillars=(0.02,),
        doors=(0.172, 0.019, -0.105),
        handles=(0.05, -0.075),
        wheel_radius=0.40,
        axles=(-1.65, 1.75),
        plates=(0.62, 0.86),
        clearance=0.30,
        grille=0.45,
        tumblehome=0.22,
        bed=(-0.485, -0.13),
    ),
    "van": CarShape(
        size=(5.30, 2.00, 2.14),
        stations=(-0.5, -0.496, -0.48, -0.42, -0.25, 0.0, 0.22, 0.345, 0.4, 0.46, 0.49, 0.5),
        top=(1.12, 1.96, 2.05, 2.11, 2.14, 2.14, 2.08, 1.36, 1.18, 1.04, 0.95, 0.86),
        belt=(1.12, 1.14, 1.14, 1.15, 1.15, 1.15, 1.14, 1.20, 1.14, 1.04, 0.95, 0.86),
        windscreen=(0.222, 0.343),
        rear_window=(-0.4985, -0.496),
        windows=(0.08, 0.29),
        pillars=(),
        doors=(0.3, 0.07, -0.2),
        handles=(0.1, 0.03),
        wheel_radius=0.35,
        axles=(-1.60, 1.75),
        plates=(0.5, 0.80),
        clearance=0.24,
        grille=0.34,
        tumblehome=0.10,
    ),
}
"""Car types by name."""
