"""What relays did adds up: pass by pass into a drain, and drain by drain into a run."""

import msgspec


class Tally(msgspec.Struct):
    """What a drain did, in events. `passes` are those that moved something, `overtaken` those that came too late to."""

    published: int = 0
    repeated: int = 0
    recovered: int = 0
    failed: int = 0
    passes: int = 0
    overtaken: int = 0
    seconds: float = 0.0

    @property
    def is_empty(self) -> bool:
        return not (self.published or self.repeated or self.recovered or self.failed)

    def add(self, other: "Tally") -> None:
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))
