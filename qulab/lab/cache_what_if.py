"""What T_avg would be with other values: the model moves, and what was measured stays where it is."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from django import forms
from django.utils.translation import gettext_lazy as _

from qulab.lab.cache_pages import Measured
from qulab.lab.cache_plots import Times, average_over_ratio
from qulab.lab.plots import Plot

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

LONGEST = 60_000  # ms


class PartField(forms.FloatField):
    """A number within bounds that the browser knows as well."""

    def __init__(self, *, least: float, most: float, allowed: "StrPromise", **options: Any) -> None:
        messages = dict.fromkeys(["required", "invalid", "min_value", "max_value"], allowed)
        super().__init__(min_value=least, max_value=most, error_messages=messages, **options)


class WhatIfForm(forms.Form):
    ratio = PartField(least=0, most=1, allowed=_("Enter a number from 0 to 1."), label=_("Hit ratio H, 0 to 1"))
    t_cache = PartField(least=0, most=LONGEST, allowed=_("Enter 0 to 60000 ms."), label=_("T_cache, ms"))
    t_database = PartField(least=0.001, most=LONGEST, allowed=_("Enter 0.001 to 60000 ms."), label=_("T_database, ms"))


class WhatIf(msgspec.Struct, frozen=True):
    """`shown` is what was asked for, else what was measured. `quicker`: how many times as quick as no cache."""

    form: Any
    plot: Plot | None
    shown: Times | None
    quicker: float | None
    is_asked: bool

    @property
    def is_refused(self) -> bool:
        return bool(self.form.errors)


def what_if(given: Mapping[str, Any], measured: Measured) -> WhatIf:
    """`given` is the query of the address; without values of the form in it, the measured ones are shown."""
    known = _times(measured)
    form = WhatIfForm(
        given if any(name in given for name in WhatIfForm.base_fields) else None,
        initial=_rounded(known) if known else None,
        auto_id="what_if_%s",
    )
    asked = Times(**form.cleaned_data) if form.is_valid() else None
    shown = asked or known
    return WhatIf(
        form=form,
        plot=average_over_ratio(known, measured.mean, asked) if shown else None,
        shown=shown,
        quicker=shown.t_database / shown.average if shown and shown.average else None,
        is_asked=asked is not None,
    )


def _times(measured: Measured) -> Times | None:
    """None where nothing missed, or nothing was fetched: nobody knows what a load would have taken."""
    if measured.ratio is None or measured.t_cache is None or measured.t_database is None:
        return None
    return Times(measured.ratio, measured.t_cache, measured.t_database)


def _rounded(times: Times) -> dict[str, float]:
    return {name: round(value, 3) for name, value in msgspec.structs.asdict(times).items()}
