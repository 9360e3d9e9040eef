"""Models: those that a server offers, by name; each is loaded when it is first asked for."""

import copy
import logging
from collections.abc import Generator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from charrnn.errors import CharRNNError, ConfigError
from charrnn.serve.engine import LOADING, elsewhere
from charrnn.serve.prefix_cache import PrefixCache
from charrnn.serve.problem import Problem
from charrnn.text_model import TextModel, load

logger = logging.getLogger(__name__)


class Served(NamedTuple):
    """A model, and its states after the prompts of earlier requests; these are the engine's."""

    model: TextModel
    prefixes: PrefixCache


class Models:
    """Models by name.

    Args:
        given: models, or the paths of runs or checkpoints, by name; or one of them; or a list.

    Raises:
        ConfigError: there is none, or two have one name.
    """

    def __init__(self, given: Any) -> None:
        self._models: dict[str, Served | Path] = {}
        if isinstance(given, Mapping):
            for name, model in given.items():
                self._add(str(name), model)
        elif isinstance(given, Sequence) and not isinstance(given, str):
            for model in given:
                self._add(_name_of(model), model)
        else:
            self._add(_name_of(given), given)
        if not self._models:
            raise ConfigError("there is no model to serve; train one first")

    def __iter__(self) -> Any:
        return iter(self._models)

    def __len__(self) -> int:
        return len(self._models)

    def check(self, name: str | None) -> str:
        """The name of the model that a request means; without one, the first.

        Raises:
            Problem: there is no such model.
        """
        if name is None:
            return next(iter(self._models))
        if name not in self._models:
            names = ", ".join(self._models)
            raise Problem(404, f"there is no model {name[:100]!r}; there are: {names}", "model")
        return name

    def get(self, name: str) -> Generator[Any, None, Served]:
        """A model, loaded in another thread if this is the first time; for the engine.

        Raises:
            Problem: it cannot be loaded.
        """
        served = self._models[name]
        if isinstance(served, Path):
            served = yield from elsewhere(partial(self._loaded, name), LOADING)
        return served

    def _loaded(self, name: str) -> Served:
        """A model; called in the only thread that loads."""
        found = self._models[name]
        if isinstance(found, Served):  # loaded for another request meanwhile
            return found
        try:
            served = Served(load(found), PrefixCache())
        except CharRNNError as error:
            logger.warning("the model %r cannot be loaded: %s", name, error)
            raise Problem(
                503, f"the model {name!r} cannot be loaded; the server's log says why"
            ) from None
        self._models[name] = served
        return served

    def _add(self, name: str, model: Any) -> None:
        if name in self._models:
            raise ConfigError(f"two models have the name {name!r}; give them as a dictionary")
        if isinstance(model, TextModel):
            self._models[name] = Served(_own(model), PrefixCache())
        else:
            self._models[name] = Path(model)


def _own(model: TextModel) -> TextModel:
    """A copy with caches of its own, so that the given model can be used meanwhile."""
    own = copy.copy(model)
    own.generator = copy.copy(model.generator)  # without its caches
    return own


def _name_of(model: Any) -> str:
    """The name of a run, of a model's run, or of a checkpoint's directory."""
    path = model.path if isinstance(model, TextModel) else Path(model)
    if path is None:
        return "model"
    path = path.absolute()
    return path.parent.name if path.name.startswith("step-") else path.name
