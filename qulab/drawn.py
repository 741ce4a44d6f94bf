"""What drawings are made of, in the lab and on the platform: each with the class that gives it its colour."""

import msgspec


class Path(msgspec.Struct, frozen=True):
    d: str
    css: str
    title: str = ""


class Text(msgspec.Struct, frozen=True):
    x: float
    y: float
    text: str
    css: str
