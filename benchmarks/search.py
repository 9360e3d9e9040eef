"""The autopilot against a small search: runs of two minutes on texts that it was not fitted to.

    python benchmarks/search.py --data DIRECTORY
    python benchmarks/search.py --data DIRECTORY --only molecules

Eight networks of different size, dropout and learning rate are trained for as long as the one that
the autopilot chooses. The loss is the lowest during training. The runs are kept in
results/verdicts.jsonl, and runs already there are not trained again.
"""

from machine import describe
from verdict_runs import argument_parser, length, trained

TEXTS = ("russian", "molecules", "fables", "chinese")
MINUTES = 2
# Units in each of two layers, dropout, and learning rate.
NETWORKS = (
    (128, 0.1, 4e-3),
    (128, 0.3, 4e-3),
    (256, 0.1, 4e-3),
    (256, 0.3, 4e-3),
    (256, 0.2, 2e-3),
    (256, 0.2, 8e-3),
    (384, 0.2, 4e-3),
    (512, 0.2, 2e-3),
)


def main() -> None:
    parser = argument_parser(__doc__)
    parser.set_defaults(only=list(TEXTS))
    args = parser.parse_args()
    print(describe())
    for name in args.only:
        print(name, flush=True)
        losses = []
        for units, dropout, rate in NETWORKS:
            flags = [
                *length(MINUTES),
                *("--num-layers", "2", "--hidden-size", f"{units}"),
                *("--dropout", f"{dropout:g}", "--learning-rate", f"{rate:g}"),
            ]
            losses.append(trained(name, flags, args.data)["about"]["val_loss"])
            print(
                f"  2 x {units}  dropout {dropout:g}  rate {rate:g}  {losses[-1]:.4f}", flush=True
            )
        chosen = trained(name, length(MINUTES), args.data)["about"]
        print(
            f"  autopilot: {chosen['num_layers']} x {chosen['hidden_size']}  dropout "
            f"{chosen['dropout']:g}  {chosen['val_loss']:.4f}, "
            f"{chosen['val_loss'] / min(losses) - 1:+.1%} compared with the best of the search",
            flush=True,
        )


if __name__ == "__main__":
    main()
