"""The colours of the pictures: one palette per light and weather, shared by images and HTML."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from scenegen.scene import AgentKind, Conditions, Light, Weather

RGB = tuple[int, int, int]

WHITE: RGB = (255, 255, 255)
BLACK: RGB = (0, 0, 0)
DARK: RGB = (24, 28, 34)
SIGNAL: tuple[RGB, ...] = ((120, 126, 134), (46, 204, 113), (255, 196, 0), (255, 59, 48))
"""Colour per SignalState: none, green, yellow, red."""
BRAKE: RGB = (255, 46, 46)
"""Lit brake lights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """Colours of one picture, RGB 0-255.

    Attributes:
        ground: What is beside the road.
        sidewalk: Pavements for people.
        asphalt: The carriageway.
        shoulder: Hard shoulders and parking bays.
        cycleway: Lanes for cyclists.
        kerb: Edge of the carriageway.
        paint: Lane markings.
        vehicle: Cars without a role.
        heavy: Trucks and buses without a role.
        rider: Motorcyclists and cyclists without a role.
        person: Pedestrians without a role.
        creature: Animals without a role.
        thing: Static obstacles.
        glass: Windscreens.
        ego: The ego vehicle.
        roles: Agents that play a role, by the order of the roles.
        haze: What fog and distance fade to.
        darkness: How much the scene lives on headlights, 0 day - 1 night.
    """

    ground: RGB = (219, 226, 213)
    sidewalk: RGB = (201, 200, 195)
    asphalt: RGB = (82, 87, 95)
    shoulder: RGB = (97, 102, 110)
    cycleway: RGB = (134, 88, 82)
    kerb: RGB = (172, 172, 168)
    paint: RGB = (240, 242, 244)
    vehicle: RGB = (214, 219, 226)
    heavy: RGB = (178, 187, 199)
    rider: RGB = (122, 222, 168)
    person: RGB = (255, 214, 92)
    creature: RGB = (224, 164, 104)
    thing: RGB = (148, 153, 161)
    glass: RGB = (38, 46, 58)
    ego: RGB = (41, 121, 255)
    roles: tuple[RGB, ...] = ((255, 112, 32), (214, 64, 170), (0, 178, 160), (240, 190, 30))
    haze: RGB = (206, 211, 216)
    darkness: float = 0.0

    def of_kind(self, kind: AgentKind) -> RGB:
        """Give the colour of an agent that plays no role."""
        return {
            AgentKind.CAR: self.vehicle,
            AgentKind.TRUCK: self.heavy,
            AgentKind.BUS: self.heavy,
            AgentKind.MOTORCYCLE: self.rider,
            AgentKind.CYCLIST: self.rider,
            AgentKind.PEDESTRIAN: self.person,
            AgentKind.ANIMAL: self.creature,
            AgentKind.STATIC: self.thing,
        }[kind]

    def of_role(self, order: int) -> RGB:
        """Give the colour of the role with this number, from 0."""
        return self.roles[order % len(self.roles)]

    def to_css(self) -> dict[str, str | float | list[str]]:
        """Give the colours as #rrggbb, for the HTML viewer."""
        fields = {n: v for n, v in asdict(self).items() if n not in {"roles", "darkness"}}
        return {
            **{name: css(value) for name, value in fields.items()},
            "roles": [css(value) for value in self.roles],
            "darkness": self.darkness,
        }


_BY_LIGHT = {
    Light.DAY: Palette(),
    Light.DUSK: Palette(
        ground=(122, 116, 124),
        sidewalk=(128, 121, 126),
        asphalt=(57, 58, 69),
        shoulder=(68, 68, 80),
        cycleway=(98, 66, 68),
        kerb=(140, 131, 134),
        paint=(222, 214, 206),
        vehicle=(176, 175, 186),
        heavy=(148, 148, 164),
        haze=(164, 152, 154),
        darkness=0.45,
    ),
    Light.NIGHT: Palette(
        ground=(17, 22, 30),
        sidewalk=(38, 43, 52),
        asphalt=(27, 32, 41),
        shoulder=(33, 38, 48),
        cycleway=(52, 36, 40),
        kerb=(62, 69, 80),
        paint=(132, 141, 153),
        vehicle=(124, 134, 148),
        heavy=(98, 108, 124),
        rider=(88, 186, 138),
        person=(240, 196, 78),
        creature=(196, 142, 92),
        thing=(86, 93, 104),
        glass=(10, 13, 18),
        ego=(62, 138, 255),
        haze=(58, 65, 76),
        darkness=1.0,
    ),
}


def mix(a: RGB, b: RGB, share: float) -> RGB:
    """Blend two colours; share 0 gives the first, 1 the second."""
    return (
        round(a[0] + (b[0] - a[0]) * share),
        round(a[1] + (b[1] - a[1]) * share),
        round(a[2] + (b[2] - a[2]) * share),
    )


def css(colour: RGB) -> str:
    """Write a colour as #rrggbb."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def palette_of(conditions: Conditions) -> Palette:
    """Choose the colours that show light, weather and road surface."""
    base = _BY_LIGHT[conditions.light]
    cold = (40, 56, 78)
    if conditions.weather is Weather.SNOW:
        snow = mix((242, 246, 250), (74, 84, 100), base.darkness)
        return replace(
            base,
            ground=mix(base.ground, snow, 0.92),
            sidewalk=mix(base.sidewalk, snow, 0.6),
            asphalt=mix(base.asphalt, snow, 0.3),
            shoulder=mix(base.shoulder, snow, 0.55),
            kerb=mix(base.kerb, snow, 0.5),
        )
    if conditions.weather is Weather.FOG:
        return replace(
            base,
            ground=mix(base.ground, base.haze, 0.22),
            sidewalk=mix(base.sidewalk, base.haze, 0.22),
            asphalt=mix(base.asphalt, base.haze, 0.22),
            shoulder=mix(base.shoulder, base.haze, 0.22),
            paint=mix(base.paint, base.haze, 0.22),
        )
    if conditions.weather is Weather.OVERCAST:
        return replace(base, ground=mix(base.ground, base.haze, 0.45))
    if conditions.wetness > 0:
        wet = 0.25 + 0.3 * conditions.wetness
        return replace(
            base,
            ground=mix(base.ground, cold, 0.6 * wet),
            sidewalk=mix(base.sidewalk, cold, 0.7 * wet),
            asphalt=mix(base.asphalt, mix(cold, BLACK, 0.35 * (1 + base.darkness)), wet),
            shoulder=mix(base.shoulder, cold, wet),
            kerb=mix(base.kerb, cold, 0.5 * wet),
        )
    return base
