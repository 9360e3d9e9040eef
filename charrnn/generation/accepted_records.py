"""Draw records, keep those that pass every condition, and count why the others are dropped."""

from collections.abc import Callable, Container, Generator, Iterator
from dataclasses import dataclass

from charrnn.errors import GenerationError
from charrnn.generation.record_sampler import Record

# characters of a record if no length is given; a checkpoint may claim any length for its corpus
LONGEST_RECORD = 1 << 14
SHORTEST_LIMIT = 1 << 9  # characters that a record may always have, even from a tiny model
# characters of unfinished records drawn since the last one kept, or of BLOCK full-length records
MOST_UNENDED = 1 << 15


@dataclass
class Tally:
    """The number of records drawn, kept, and dropped for each reason, the first that applied."""

    drawn: int = 0
    kept: int = 0
    stuck: int = 0
    too_long: int = 0
    not_one: int = 0
    not_unique: int = 0
    not_new: int = 0
    not_accepted: int = 0

    @property
    def dropped(self) -> str:
        """How many records were dropped for each reason, such as "2 repeated"; may be empty."""
        reasons = {
            "stuck at the copy limit": self.stuck,
            "too long": self.too_long,
            "empty or containing the separator": self.not_one,
            "repeated": self.not_unique,
            "in the corpus": self.not_new,
            "not accepted": self.not_accepted,
        }
        return ", ".join(f"{count:,} {reason}" for reason, count in reasons.items() if count)

    def __str__(self) -> str:
        records = "record" if self.drawn == 1 else "records"
        summary = f"kept {self.kept:,} of {self.drawn:,} {records}"
        if self.dropped:
            summary += f"; dropped {self.dropped}"
        return summary


class AcceptedRecords:
    """An iterator over the first ``count`` records that are whole and pass every condition.

    Its ``tally`` counts the others, by the reason why they were dropped.

    Args:
        records: the records drawn.
        count: the number of records wanted.
        separator: the string between two records, with LF line ends; a record that contains it,
            whatever its line ends, is dropped.
        max_tries: the most records to draw.
        unique: drop a record that equals one kept before.
        known: drop these records.
        accept: drop a record for which it returns False.
        most_unended: characters of unfinished records that may be drawn before the next record is
            kept; None for any number.
    """

    def __init__(
        self,
        records: Iterator[Record],
        count: int,
        separator: str,
        max_tries: int,
        *,
        unique: bool = False,
        known: Container[str] = (),
        accept: Callable[[str], bool] | None = None,
        most_unended: int | None = None,
    ) -> None:
        self.records = records
        self.count = count
        self.separator = separator
        self.max_tries = max_tries
        self.unique = unique
        self.known = known
        self.accept = accept
        self.most_unended = most_unended
        self.tally = Tally()
        self._seen = set[str]()
        self._unended = 0  # characters of unfinished records, since the last one kept

    def __iter__(self) -> "AcceptedRecords":
        return self

    def __next__(self) -> Record:
        """The next record.

        Raises:
            GenerationError: too few of the ``max_tries`` records were kept.
        """
        try:
            return self._next_kept()
        except (GenerationError, StopIteration):
            if isinstance(self.records, Generator):
                self.records.close()  # the processes that draw them end now
            raise

    def _next_kept(self) -> Record:
        tally = self.tally
        while tally.kept < self.count:
            if tally.drawn == self.max_tries:
                raise GenerationError(f"{self._too_few}; {self._advice}")
            if self.most_unended is not None and self._unended > self.most_unended:
                raise GenerationError(
                    f"{self._too_few}: the model does not end its records; give a smaller `length` "
                    "or a lower `temperature`, or set `max_tries` to keep drawing"
                )
            record = next(self.records)
            tally.drawn += 1
            if self._keeps(record):
                tally.kept += 1
                self._unended = 0
                return record
            if not record.whole:
                self._unended += len(record.text)
        raise StopIteration

    @property
    def _too_few(self) -> str:
        tally = self.tally
        tries = "1 try" if tally.drawn == 1 else f"{tally.drawn:,} tries"
        found = f"found only {tally.kept:,} of {self.count:,} records in {tries}"
        if tally.dropped:
            found += f" (dropped {tally.dropped})"
        return found

    @property
    def _advice(self) -> str:
        """What to do about the most frequent reason."""
        tally = self.tally
        remedies = {
            "give a larger `max_copy` or `max_tries`": tally.stuck,
            "give a larger `length`, or a lower `temperature`": tally.too_long,
            "give another `temperature`, or a larger `max_tries`": tally.not_one,
            "give a larger `max_tries`, or a higher `temperature`": (
                tally.not_unique + tally.not_new
            ),
            "give a larger `max_tries`, or a looser `accept`": tally.not_accepted,
        }
        if not any(remedies.values()):
            return "give a larger `max_tries`"
        return max(remedies, key=remedies.__getitem__)

    def _keeps(self, record: Record) -> bool:
        tally = self.tally
        text = record.text
        if record.stuck:
            tally.stuck += 1
        elif not record.whole:
            tally.too_long += 1
        elif not text or self.separator in text.replace("\r\n", "\n"):
            tally.not_one += 1
        elif self.unique and text in self._seen:
            tally.not_unique += 1
        elif text in self.known:
            tally.not_new += 1
        elif self.accept is not None and not self.accept(text):
            tally.not_accepted += 1
        else:
            if self.unique:
                self._seen.add(text)
            return True
        return False
