"""A template asks for a part of a page by name; what has to be worked out is worked out in a module of its own."""

from functools import lru_cache
from typing import Any

from django import template
from django.conf import settings
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from qulab.db.lines import Line
from qulab.lab import diagrams, entities, figures, formulas, icons, sources
from qulab.lab.audience import sees_lab
from qulab.lab.experiments.tables import figure
from qulab.lab.learner import learner_of
from qulab.lab.learner.checkpoints import Asked
from qulab.lab.learner.checkpoints import checkpoint as question
from qulab.lab.plots import Bars, Plot
from qulab.lab.plots.view import view
from qulab.lab.sections import section, sections

register = template.Library()


@register.inclusion_tag("partials/nav.html", takes_context=True)
def section_nav(context: Any, current: Any = None, home: Any = None) -> dict[str, Any]:
    """The sections, with the page that is shown marked, and what was visited. An error page may have no request."""
    request = context.get("request")
    if not sees_lab(request):
        return {"sections": []}
    return {
        "sections": sections(),
        "current": current or None,
        "home": home is True,
        "visited": learner_of(request).visited if request else [],
        "path": request.path if request else "",
    }


@register.simple_tag(takes_context=True)
def lab_is_open(context: Any) -> bool:
    """Whether who asks may use the lab: a page speaks of it to nobody else."""
    return sees_lab(context.get("request"))


@register.simple_tag
def icon(name: str) -> SafeString:
    return icons.icon(name)


@register.simple_tag
def section_link(number: int) -> SafeString:
    one = section(number)
    words = _("Section %(number)s") % {"number": number}
    return format_html('<a data-concept="{}" href="{}">{}</a>', one.concept, reverse(one.url_name), words)


@register.inclusion_tag("partials/checkpoint.html", takes_context=True)
def checkpoint(context: Any, name: str) -> dict[str, Any]:
    """The question at the end of a section, with what its learner answered before."""
    request = context["request"]
    return {"asked": Asked.of(learner_of(request), question(name), request.GET.get("answer", ""))}


@register.inclusion_tag("partials/pager.html")
def pager(number: int) -> dict[str, Any]:
    """Links to the section before and after `number`; 0 is the introduction."""
    found = sections()
    return {
        "home": number == 1,
        "before": found[number - 2] if number > 1 else None,
        "after": found[number] if number < len(found) else None,
    }


@register.inclusion_tag("partials/diagram.html")
def diagram(name: str) -> dict[str, Any]:
    figure = figures.FIGURES[name]()
    return {"figure": figure, "drawings": diagrams.draw(figure)}


@register.inclusion_tag("partials/entities.html")
def entity_diagram() -> dict[str, Any]:
    return {"drawings": entities.drawings(), "sentence": entities.sentence()}


@register.inclusion_tag("partials/plot.html")
def plot(one: Plot | Bars, of: str = "") -> dict[str, Any]:
    """`of` tells two plots of one name on a page apart."""
    return {"plot": view(one), "of": of}


@register.inclusion_tag("partials/source.html")
def source(path: str, name: str = "") -> dict[str, Any]:
    return {"source": sources.source(path, name)}


@register.simple_tag
def formula(name: str) -> SafeString:
    """A formula of the lab by the name of its constant."""
    return mathml(getattr(formulas, name))


@register.filter
def mathml(latex: str) -> SafeString:
    return mark_safe(formulas.mathml(latex))  # noqa: S308 - LaTeX of our own, with numbers put in


@register.filter
def own_mathml(latex: str) -> SafeString:
    """Of a formula with a person's own values in it: it is kept for nobody's next page."""
    return mark_safe(formulas.unkept_mathml(latex))  # noqa: S308 - as above


@register.filter
def inline_math(latex: str) -> SafeString:
    return mark_safe(formulas.mathml(latex, block=False))  # noqa: S308 - as above


@register.filter
def python(text: str) -> SafeString:
    return mark_safe(sources.python(text))  # noqa: S308 - escaped by sources


@register.filter
def sql(text: str) -> SafeString:
    return mark_safe(sources.sql(text))  # noqa: S308 - escaped by sources


@register.filter
@lru_cache(maxsize=1024)
def source_url(line: Line) -> str:
    """The line in its file, as shown here; empty for a file that is not shown."""
    return f"{reverse('lab:source', args=[line.path])}#L{line.number}" if sources.is_shown(line.path) else ""


@register.filter
def ms(value: float | None) -> str:
    """Milliseconds for a reader: three figures, no more."""
    if value is None:
        return "–"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


@register.filter
def reading(value: float | None) -> str:
    """A figure as the terminal shows it: three digits of it, no more."""
    return figure(value)


@register.filter
def as_ms(seconds: float | None) -> str:
    return ms(None if seconds is None else 1000 * seconds)


@register.filter
def ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


@register.simple_tag
def redis_is_emulated() -> bool:
    return bool(settings.REDIS_IS_EMULATED)
