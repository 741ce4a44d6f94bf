"""An experiment on a page is declared once: for its section, for its runs, and for comparing two of these."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from django import forms
from django.utils.translation import gettext_lazy as _

from qulab.lab.experiments import AnyExperiment
from qulab.lab.measure import Spread
from qulab.lab.plots import Bars, Plot
from qulab.lab.runs import Kind, SavedRun
from qulab.lab.runs.places import Place

if TYPE_CHECKING:
    pass

Text = "str | StrPromise"
Result = Any
WhatIf = Mapping[str, Any]


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One number of a result. `better` is "lower" or "higher", empty where neither is; `text` stands under it.

    `exact` is a count that the same input gives again: it has no range and needs none.
    """

    name: str
    value: float
    unit: str = ""
    low: float | None = None
    high: float | None = None
    n: int = 0
    text: str = ""
    better: str = ""
    exact: bool = False

    @classmethod
    def of(cls, name: str, spread: Spread, unit: str = "", *, better: str = "", text: str = "") -> "Figure":
        """A median with its range."""
        return cls(
            name=name,
            value=spread.median,
            unit=unit,
            low=spread.low,
            high=spread.high,
            n=spread.n,
            better=better,
            text=text,
        )


class ExperimentForm(forms.Form):
    """A subclass has one field for each parameter that a page may set, under the parameter's name."""

    database = forms.ChoiceField(
        label=_("Database"), error_messages={"invalid_choice": _("Choose a database that is at hand.")}
    )
    expected = forms.ChoiceField(
        required=False, widget=forms.RadioSelect, error_messages={"invalid_choice": _("Choose one of these, or none.")}
    )

    def __init__(self, workbench: "Workbench", places: Sequence[Place], *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.auto_id = f"id_{workbench.name}_%s"
        database, expected = self.fields["database"], self.fields["expected"]
        assert isinstance(database, forms.ChoiceField)
        assert isinstance(expected, forms.ChoiceField)
        database.choices = [(place.value, place.label) for place in places]
        expected.label, expected.choices = workbench.question, list(workbench.predictions)
        self.order_fields(["expected", *(name for name in self.fields if name not in {"expected", "database"})])

    @property
    def controls(self) -> list[forms.BoundField]:
        """The fields but the prediction, which stands apart."""
        return [self[name] for name in self.fields if name != "expected"]

    def parameters(self) -> dict[str, Any]:
        """What the run is saved with: the parameters, where it runs, and what was expected."""
        return dict(self.cleaned_data)


@dataclass(frozen=True, kw_only=True)
class Workbench:
    """`verdict` gives the key among `predictions` that a result proved right; `extra` what `details` shows beside it.

    `details` is a template; `x_label` and `y_label` say what the samples are, with their units; `seconds` about how
    long a run with the defaults takes. `plots` gets the values of the form `what_if`, none where nothing was asked.
    """

    experiment: AnyExperiment
    result: type[msgspec.Struct]
    section: int
    title: Any
    text: Any
    form: type[ExperimentForm]
    question: Any
    predictions: Sequence[tuple[str, Any]]
    verdict: Callable[[Result], str]
    figures: Callable[[Result], list[Figure]]
    plots: Callable[[Result, WhatIf], list[Plot | Bars]]
    x_label: Any
    y_label: Any
    seconds: str
    sources: Sequence[tuple[str, str]] = ()
    what_if: type[forms.Form] | None = None
    what_if_initial: Callable[[Result], dict[str, Any]] | None = None
    details: str = ""
    extra: Callable[[SavedRun], dict[str, Any]] | None = None

    def __post_init__(self) -> None:
        Kind(self.section, self.name, self.result)

    @property
    def name(self) -> str:
        """Of the experiment, and so of its runs and its address."""
        return self.experiment.name

    @property
    def anchor(self) -> str:
        """Of the workbench in its page."""
        return f"bench-{self.name}"

    def starting(self, place: Place) -> str:
        return str(_("Starting %(database)s…") % {"database": place.label})

    def prediction(self, key: str) -> str:
        """The words of a prediction."""
        return str(dict(self.predictions).get(key, ""))
