"""`manage.py check` names an item bank that is not as it was released: no test is taken with such a one."""

from typing import Any

from django.core.checks import CheckMessage, Error, register

from assessments import releases


@register
def every_bank_is_as_it_was_released(app_configs: object, **_: Any) -> list[CheckMessage]:
    return [
        Error(
            problem,
            hint="Put a released bank back as it was; what you want to change goes into a new version.",
            id="assessments.E001",
        )
        for problem in releases.problems()
    ]
