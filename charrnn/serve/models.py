"""Models: those that a server offers, by name; each is loaded when it is first asked for."""

import copy
import logging
import threading
from collections.abc import Generator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from charrnn.errors import CharRNNError, ConfigError
from charrnn.generation.prefix_cache import PrefixCache
from charrnn.serve.engine import elsewhere
from charrnn.serve.problem import Problem
from charrnn.text_model import TextModel, load

logger = logging.getLogger(__name__)


class Models:
    """Models by name.

    Args:
        given: models, or the paths of runs or checkpoints, by name; or one of them; or a list.

    Raises:
        ConfigError: there is none, or two have one name.
    """

    def __init__(self, given: Any) -> None:
        self._models: dict[str, TextModel | Path] = {}
        self._loading = threading.Lock()
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

    def get(self, name: str) -> Generator[Any, None, TextModel]:
        """A model, loaded in another thread if this is the first time; for the engine.

        Raises:
            Problem: it cannot be loaded.
        """
        model = self._models[name]
        if isinstance(model, Path):
            model = yield from elsewhere(partial(self._loaded, name))
        return model

    def _loaded(self, name: str) -> TextModel:
        with self._loading:
            model = self._models[name]
            if isinstance(model, TextModel):  # loaded by another request meanwhile
                return model
            try:
                model = load(model)
            except CharRNNError as error:
                logger.warning("the model %r cannot be loaded: %s", name, error)
                raise Problem(
                    503, f"the model {name!r} cannot be loaded; the server's log says why"
                ) from None
            model.generator.prefixes = PrefixCache()
            self._models[name] = model
            return model

    def _add(self, name: str, model: Any) -> None:
        if name in self._models:
            raise ConfigError(f"two models have the name {name!r}; give them as a dictionary")
        self._models[name] = _own(model) if isinstance(model, TextModel) else Path(model)


def _own(model: TextModel) -> TextModel:
    """A copy with caches of its own, so that the given model can be used meanwhile."""
    own = copy.copy(model)
    own.generator = copy.copy(model.generator)  # without its caches
    own.generator.prefixes = PrefixCache()
    return own


def _name_of(model: Any) -> str:
    """The name of a run, of a model's run, or of a checkpoint's directory."""
    path = model.path if isinstance(model, TextModel) else Path(model)
    if path is None:
        return "model"
    path = path.absolute()
    return path.parent.name if path.name.startswith("step-") else path.name
