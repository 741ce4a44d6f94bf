"""A plot says what was measured in one kind of picture: concepts keep colour and shape, models are dashed.

Geometry is worked out here and frozen; a template only writes it down, wide and for a phone.
"""

from qulab.lab.plots.data import Axis, Bar, Bars, Mark, NotANumber, Plot, Point, Series
from qulab.lab.plots.overlay import overlay

__all__ = ["Axis", "Bar", "Bars", "Mark", "NotANumber", "Plot", "Point", "Series", "overlay"]
