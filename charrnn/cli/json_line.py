"""A line of ``charrnn sample --json``: a text and everything needed to reproduce it."""

import json
from collections.abc import Mapping
from typing import Any

from charrnn.cli.sample_request import SampleRequest
from charrnn.config.knobs import knobs
from charrnn.generation.form_options import FormOptions
from charrnn.generation.sampling import Sampler
from charrnn.text_model import TextModel


def json_line(
    model: TextModel,
    request: SampleRequest,
    text: str,
    log_probability: float,
    *,
    which: Mapping[str, int],
    ends: Mapping[str, Any],
) -> str:
    """One JSON object and a newline.

    Args:
        model: wrote the text.
        request: the options of the command.
        text: the new text; for a record, all of it or what follows the prompt.
        log_probability: in nats.
        which: the text's seed, and a record's number.
        ends: settings that decide where the text ends.
    """
    values = {
        "text": text,
        "prompt": request.prompt,
        **which,
        "settings": {**ends, **_settings(model, request)},
        "adapt_to": request.adapt_to,
        "model": model.sha256,
        "log_probability": log_probability,
    }
    return json.dumps(values, ensure_ascii=False) + "\n"


def _settings(model: TextModel, request: SampleRequest) -> dict[str, Any]:
    """All settings of the sampler, and the constraints, the bias and the ban in use."""
    rules, of_sampler = FormOptions.split(request.settings)
    sampler = model.sampler(**of_sampler)
    settings = {name: getattr(sampler, name) for name in knobs(Sampler)}
    if rules:
        settings |= request.forms
        settings["particles"] = rules.streams
        settings["max_copy"] = rules.max_copy
    for name in ("bias", "ban"):
        if name in request.settings:
            settings[name] = request.settings[name]
    return settings
