"""Content credentials: what a picture file says about where it comes from.

The statement is JSON with the names of C2PA assertions (Coalition for Content Provenance and
Authenticity, Technical Specification 2.x: `c2pa.actions.v2` with `c2pa.created` and a
`digitalSourceType`, `c2pa.soft-binding` for the watermark), so that tools and people find what
they know. It is not signed and says so: it informs, it proves nothing. It travels in an XMP packet
(ISO 16684-1) whose `Iptc4xmpExt:DigitalSourceType` is the field that photo software shows as made
by AI or by an algorithm (IPTC Photo Metadata Standard; terms of the IPTC NewsCodes).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from scenegen.appearance.watermark import ALGORITHM, PAYLOAD_DIGITS
from scenegen.seeding import Jsonable, digest

VOCABULARY = "http://cv.iptc.org/newscodes/digitalsourcetype/"
"""IPTC NewsCodes that say how a picture came to be."""
NAMESPACE = "urn:scenegen:credentials:1"
"""XML namespace of our own property."""
LARGEST_PACKET = 60_000
"""Most bytes of an XMP packet that is read: a JPEG segment holds 65,533."""
_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_XMP = "http://ns.adobe.com/xap/1.0/"


class DigitalSourceType(StrEnum):
    """How a picture came to be, terms of the IPTC NewsCodes."""

    ALGORITHMIC = "algorithmicMedia"
    """Computed by a program without a trained model: the shaded base."""
    TRAINED = "trainedAlgorithmicMedia"
    """Made by a trained model: the learned renderer."""
    COMPOSITE = "compositeSynthetic"
    """Put together from several parts of which some are synthetic."""

    @property
    def uri(self) -> str:
        """The term as metadata carry it."""
        return VOCABULARY + self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a file says about a picture of ours.

    Attributes:
        scenario: Id of the scenario it shows.
        source_type: How it came to be.
        version: Version of scenegen that made it.
        renderer: Name of the renderer.
        digests: SHA-256 of the checkpoints that took part, by name.
        place: Where in a recording it comes from, for example ``camera/front/rgb 12``; may be "".
        is_watermarked: Whether the picture carries the watermark of its scenario.
    """

    scenario: str
    source_type: DigitalSourceType
    version: str
    renderer: str
    digests: dict[str, str] = field(default_factory=dict)
    place: str = ""
    is_watermarked: bool = True

    @property
    def generator_digest(self) -> str:
        """One name for version, renderer and checkpoints: 16 hexadecimal digits."""
        return digest([self.version, self.renderer, self.digests])[:16]

    def to_json(self) -> dict[str, Jsonable]:
        """Give the statement with the names of C2PA assertions, without a signature."""
        agent: Jsonable = {"name": "scenegen", "version": self.version}
        created: Jsonable = {
            "action": "c2pa.created",
            "digitalSourceType": self.source_type.uri,
            "softwareAgent": agent,
        }
        origin: Jsonable = {
            "scenario": self.scenario,
            "renderer": self.renderer,
            "generator_digest": self.generator_digest,
            "digests": self.digests,
            "place": self.place,
        }
        assertions: list[Jsonable] = [
            {"label": "c2pa.actions.v2", "data": {"actions": [created]}},
            {"label": "scenegen.origin", "data": origin},
        ]
        if self.is_watermarked:
            block: Jsonable = {"scope": {}, "value": self.scenario[:PAYLOAD_DIGITS]}
            binding: Jsonable = {"alg": ALGORITHM, "blocks": [block]}
            assertions.append({"label": "c2pa.soft-binding", "data": binding})
        return {"claim_generator_info": [agent], "signature": None, "assertions": assertions}

    @classmethod
    def from_json(cls, data: object) -> Credentials | None:
        """Rebuild from `to_json`; None where the statement is none of ours."""
        try:
            found = {item["label"]: item["data"] for item in data["assertions"]}  # type: ignore[index]
            created = found["c2pa.actions.v2"]["actions"][0]
            origin = found["scenegen.origin"]
            return cls(
                scenario=str(origin["scenario"]),
                source_type=DigitalSourceType(_term(created["digitalSourceType"])),
                version=str(created["softwareAgent"]["version"]),
                renderer=str(origin["renderer"]),
                digests={str(k): str(v) for k, v in origin["digests"].items()},
                place=str(origin["place"]),
                is_watermarked="c2pa.soft-binding" in found,
            )
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            return None

    def to_xmp(self) -> bytes:
        """Give the XMP packet of a file that holds the picture."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return (
            '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
            '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
            f'<rdf:RDF xmlns:rdf="{_RDF}"><rdf:Description rdf:about="" xmlns:xmp="{_XMP}"'
            f' xmlns:Iptc4xmpExt="{_IPTC}" xmlns:scenegen="{NAMESPACE}">'
            f"<Iptc4xmpExt:DigitalSourceType>{self.source_type.uri}"
            "</Iptc4xmpExt:DigitalSourceType>"
            f"<xmp:CreatorTool>scenegen {escape(self.version)}</xmp:CreatorTool>"
            f"<scenegen:credentials>{escape(text)}</scenegen:credentials>"
            '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
        ).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What an XMP packet says about the origin of a picture, whoever wrote it.

    Attributes:
        source_type: Term of the IPTC NewsCodes, "" for none.
        credentials: Ours, if they are there.
    """

    source_type: str
    credentials: Credentials | None

    @property
    def says_synthetic(self) -> bool:
        """Whether the term is one for pictures that were computed, in whole or in part."""
        return self.source_type in {
            *DigitalSourceType,
            "compositeWithTrainedAlgorithmicMedia",
            "virtualRecording",
        }


def read_xmp(packet: bytes) -> Statement | None:
    """Read what a packet says; None where it says nothing about the origin, or is damaged.

    Args:
        packet: The XMP packet; other software may have rewritten it.
    """
    # A packet has no document type; one that does tries to make the parser work.
    if len(packet) > LARGEST_PACKET or b"<!DOCTYPE" in packet or b"<!ENTITY" in packet:
        return None
    try:
        root = ElementTree.fromstring(packet.decode("utf-8"))
    except (ElementTree.ParseError, UnicodeDecodeError, ValueError):
        return None
    term = _term(_property(root, f"{{{_IPTC}}}DigitalSourceType"))
    ours = _property(root, f"{{{NAMESPACE}}}credentials")
    try:
        credentials = Credentials.from_json(json.loads(ours)) if ours else None
    except ValueError:
        credentials = None
    if not term and credentials is None:
        return None
    return Statement(source_type=term, credentials=credentials)


def _property(root: ElementTree.Element, name: str) -> str:
    """Value of a property, written as an element or as an attribute, "" for none."""
    for node in root.iter():
        if node.tag == name:
            return (node.text or node.get(f"{{{_RDF}}}resource") or "").strip()
        if name in node.attrib:
            return node.attrib[name].strip()
    return ""


def _term(uri: object) -> str:
    """Last part of a NewsCode."""
    return str(uri).rpartition("/")[2]
