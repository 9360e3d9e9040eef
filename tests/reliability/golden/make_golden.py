"""Writes ``format-N`` here, where N is the current format: a small run, its logits, its greedy text
and a session. Run it once for each new format, with the first version that writes it, and never again.

    python tests/reliability/golden/make_golden.py
"""

import json
import os
from pathlib import Path

import charrnn
from charrnn.storage.checkpoint import FORMAT

TEXT = "Now is the time, said the clock; then is the time, said the bell.\n" * 10
PROMPT = "Now is the "


def main() -> None:
    path = Path(__file__).parent / f"format-{FORMAT}"
    path.mkdir()
    os.chdir(path)
    Path("corpus.txt").write_text(TEXT)
    model = charrnn.train(
        "corpus.txt", name="run", steps=6, batch_size=4, sequence_length=32, hidden_size=8, num_layers=2, embedding_size=4, copy_window=64,
        counts=2, dropout=0.1, learning_rate=0.05, keep=1, save_every=6, eval_every=6, sample_every=None, threads=1, device="cpu", precision="fp32",
    )  # fmt: skip
    logits, state = [], model.network.zero_state()
    for idx in model.vocabulary.encode(PROMPT):
        found, state = model.network.step(int(idx), state)
        logits.append(found.tolist())
    expected = {
        "prompt": PROMPT,
        "logits": logits,
        "text": model.generate(PROMPT, length=60, temperature=0),
    }
    Path("expected.json").write_text(json.dumps(expected) + "\n")
    session = model.session(PROMPT, seed=3, temperature=1.0)
    session.write(20)
    session.save("story.state")
    Path("checkpoints/.run.lock").unlink()


if __name__ == "__main__":
    main()
