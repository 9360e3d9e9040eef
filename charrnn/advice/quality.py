"""A plain word for a loss, on a scale of five from noise to fluent.

The scale was calibrated on samples at temperature 0.8 (``benchmarks/quality_words.py``). Of their
words with four or more letters, these shares occur in the text that the model learned:

    noise     0%
    scraps    5%
    rough    42%
    good     85%
    fluent   81% (all of it code, with names that the model made up)
"""

SCALE = ("noise", "scraps", "rough", "good", "fluent")
# Losses of prose and code, as shares of the loss of the frequencies of the characters alone. Below
# the first one begins the second word of SCALE, and so on.
OF_WORDS = (0.86, 0.62, 0.47, 0.3)
# Lists, and scripts with thousands of characters, are not written in words, and bytes are not
# characters. A loss is placed by how far it is from that of the frequencies (0) to that of counting
# which characters follow which (1).
OF_SYMBOLS = (0.3, 0.7, 0.9, 1.05)
LARGE_ALPHABET = 4.5  # nats of the frequencies of the characters
NEGLIGIBLE_LOSS = 1e-3  # nats; the losses of a text that is almost certain are not compared
MOST_LEARNABLE = 3.0  # times the loss; more was not measured


def quality(
    loss: float,
    unigram_loss: float | None,
    counting_loss: float,
    *,
    has_words: bool,
) -> str | None:
    """A word of SCALE for a validation loss; None for an older model, or for too simple a text.

    Args:
        loss: nats per character.
        unigram_loss: that of the frequencies of the characters.
        counting_loss: that of counting which characters follow which, the yardstick.
        has_words: whether it is running text, of characters.
    """
    if unigram_loss is None or unigram_loss < NEGLIGIBLE_LOSS:
        return None
    if has_words and unigram_loss < LARGE_ALPHABET:
        share = loss / unigram_loss
        return SCALE[sum(share < limit for limit in OF_WORDS)]
    learnable_loss = unigram_loss - counting_loss
    if learnable_loss < NEGLIGIBLE_LOSS:
        return None
    learned = (unigram_loss - loss) / learnable_loss
    return SCALE[sum(learned > limit for limit in OF_SYMBOLS)]


def learnable(unigram_loss: float | None, counting_loss: float, loss: float) -> float:
    """How much of a text's uncertainty can be learned, as a share of a loss.

    Of a list of names, little can: it gains less than prose does. 1 if it is not known.

    Args:
        unigram_loss: of the frequencies of the characters.
        counting_loss: of counting which characters follow which.
        loss: of a model.
    """
    if unigram_loss is None:
        return 1.0
    share = (unigram_loss - counting_loss) / loss
    return min(max(share, 0.0), MOST_LEARNABLE)
