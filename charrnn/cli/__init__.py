"""One file per command. The only room that prints, or imports click or tqdm."""
