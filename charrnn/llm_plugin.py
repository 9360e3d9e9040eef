"""Plug-in for llm (Simon Willison's command line for language models): `llm -m charrnn/RUN`.

llm finds it by its entry point and imports it for each of its commands, so what writes a text is
imported only when it is needed. The models are the runs in ./checkpoints, or in the directory that
CHARRNN_LLM_RUNS_DIR names.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import llm
from pydantic import Field

from charrnn.errors import CharRNNError
from charrnn.storage.find_run import all_runs
from charrnn.storage.run import RUNS_DIR

RUNS_DIR_VARIABLE = "CHARRNN_LLM_RUNS_DIR"


@llm.hookimpl
def register_models(register: Callable[[Any], None]) -> None:
    """Register a model for each run with a checkpoint."""
    runs_dir = os.environ.get(RUNS_DIR_VARIABLE) or RUNS_DIR
    if not os.path.isdir(runs_dir):
        return
    try:
        runs = all_runs(runs_dir)
    except (CharRNNError, OSError):
        return  # llm has other models, which must work whatever is in this directory
    for run in runs:
        register(RunModel(run.path))


class RunModel(llm.Model):
    """A run, which continues the prompt.

    Args:
        path: of the run.
    """

    can_stream = True

    class Options(llm.Options):
        """The settings that `llm -o NAME VALUE` takes."""

        max_tokens: int | None = Field(default=None, ge=0, description="characters to generate")
        temperature: float | None = Field(default=None, description="how random the text is")
        top_k: int | None = Field(default=None, description="draw from the k likeliest characters")
        top_p: float | None = Field(default=None, description="draw from the likeliest p")
        min_p: float | None = Field(default=None, description="least share of the likeliest")
        dry: float | None = Field(default=None, description="penalty on repetitions")
        seed: int | None = Field(default=None, description="the same seed writes the same text")
        until: str | None = Field(default=None, description="sentence, line, paragraph or a string")

    def __init__(self, path: Path) -> None:
        self.model_id = f"charrnn/{path.name}"
        self.path = path
        self._model: Any = None

    def execute(self, prompt: Any, stream: bool, response: Any, conversation: Any) -> Iterator[str]:
        """Continue the prompt, or the conversation, which is one text.

        The settings are those of ``TextModel.generate``.
        """
        if prompt.system:
            raise llm.ModelError(
                "charrnn's models continue a text and take no system prompt; leave it out"
            )
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as for `charrnn sample`
        from charrnn.generation.settings import seed_of
        from charrnn.text_model import load

        settings = {name: value for name, value in prompt.options if value is not None}
        length = settings.pop("max_tokens", None)
        text = prompt.prompt
        if conversation is not None:
            earlier = [part.prompt.prompt + part.text() for part in conversation.responses]
            text = "".join([*earlier, text])
        try:
            seed = seed_of(settings.pop("seed", None))
            if self._model is None:
                self._model = load(self.path)
            yield from self._model.stream(text, length=length, seed=seed, **settings)
        except CharRNNError as error:
            raise llm.ModelError(str(error)) from None
        response.response_json = {"seed": seed}

    def __str__(self) -> str:
        return self.model_id
