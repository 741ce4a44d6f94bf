"""The options of the terminal are made from the type of an experiment's parameters: its bounds are written once."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, get_type_hints

import msgspec
from msgspec import Meta

Parameters = TypeVar("Parameters", bound=msgspec.Struct)


class Option(msgspec.Struct, frozen=True):
    """One field of the parameters. `allowed` says what it takes, in words."""

    name: str
    flag: str
    description: str
    allowed: str
    default: Any
    type: Any


class BadOption(ValueError):
    """The value of an option is not among those allowed."""


def options(parameters: type[msgspec.Struct]) -> Iterator[Option]:
    hints = get_type_hints(parameters, include_extras=True)
    for field in msgspec.structs.fields(parameters):
        bounds = _meta(hints[field.name])
        yield Option(
            name=field.name,
            flag="--" + field.name.replace("_", "-"),
            description=bounds.description or "",
            allowed=_allowed(hints[field.name], bounds),
            default=field.default,
            type=hints[field.name],
        )


def parsed(parameters: type[Parameters], given: Mapping[str, str]) -> Parameters:
    """The parameters from text; what is not given has its default. Raises BadOption, with one line for a person."""
    values = {}
    for option in options(parameters):
        if (text := given.get(option.name)) is not None:
            values[option.name] = _value(option, text)
    try:
        return msgspec.convert(values, parameters)
    except msgspec.ValidationError as refused:  # what they must be together
        raise BadOption(f"{refused}.".capitalize()) from refused


def _value(option: Option, text: str) -> Any:
    try:
        return msgspec.convert(text.strip(), option.type, strict=False)
    except msgspec.ValidationError as refused:
        raise BadOption(f"{option.flag} is {text}: it takes {option.allowed}.") from refused


def _meta(hint: Any) -> Meta:
    return next((one for one in getattr(hint, "__metadata__", ()) if isinstance(one, Meta)), Meta())


def _allowed(hint: Any, bounds: Meta) -> str:
    type_ = getattr(hint, "__origin__", hint)
    if type_ is bool:
        return "true or false"
    kind = "a whole number" if type_ is int else "a number"
    if bounds.ge is not None and bounds.le is not None:
        return f"{kind} from {bounds.ge:,} to {bounds.le:,}"
    return kind if bounds.ge is None else f"{kind}, at least {bounds.ge:,}"
