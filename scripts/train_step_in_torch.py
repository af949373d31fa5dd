#!/usr/bin/env python3
"""One step of training a model like recipe `multi30k`'s in PyTorch, for `benchmark.py train
--peer`.

    pip install torch numpy                      # in an environment of its own
    PYTHON scripts/train_step_in_torch.py --attention luong [--precision float32] [--shape 64 20 22]

Written as one would by hand: torch's GRU where nothing stands between two steps (the encoder,
`luong`'s decoder), its GRUCell where attention does (`bahdanau`). Embeddings of 256, an encoder of
2 x 256, a decoder of 512, 8,000 pieces, no tied weights, no lexical memory; neither dropout nor
clipping nor a moving average, which ours has. Adam, random ids.
"""

import argparse
import time

import torch
from torch import nn

EMBEDDING_UNITS, UNITS, VOCABULARY_SIZE, NUM_WARM_UP = 256, 512, 8000, 4


class Seq2Seq(nn.Module):
    def __init__(self, attention: str):
        super().__init__()
        self.source_embedding = nn.Embedding(VOCABULARY_SIZE, EMBEDDING_UNITS)
        self.target_embedding = nn.Embedding(VOCABULARY_SIZE, EMBEDDING_UNITS)
        self.encoder = nn.GRU(EMBEDDING_UNITS, UNITS // 2, batch_first=True, bidirectional=True)
        self.bridge, self.key = nn.Linear(UNITS, UNITS), nn.Linear(UNITS, UNITS, bias=False)
        features = 2 * UNITS
        self.luong = attention == "luong"
        if self.luong:
            self.decoder = nn.GRU(EMBEDDING_UNITS, UNITS, batch_first=True)
        else:
            self.decoder = nn.GRUCell(EMBEDDING_UNITS + UNITS, UNITS)
            self.query, self.energy = nn.Linear(UNITS, UNITS), nn.Linear(UNITS, 1, bias=False)
            features += EMBEDDING_UNITS
        self.readout = nn.Linear(features, EMBEDDING_UNITS)
        self.vocabulary = nn.Linear(EMBEDDING_UNITS, VOCABULARY_SIZE)

    def forward(self, source_BS: torch.Tensor, target_BT: torch.Tensor) -> torch.Tensor:
        states_BSD, final = self.encoder(self.source_embedding(source_BS))
        state_BD = torch.tanh(self.bridge(torch.cat([final[0], final[1]], -1)))
        keys_BSD, padding_BS = self.key(states_BSD), source_BS == 0
        embedded_BTE = self.target_embedding(target_BT)
        if self.luong:
            hidden_BTD, _ = self.decoder(embedded_BTE, state_BD[None])
            scores_BTS = (hidden_BTD @ keys_BSD.transpose(1, 2)).masked_fill(
                padding_BS[:, None], -1e4
            )
            features = [hidden_BTD, scores_BTS.softmax(-1) @ states_BSD]
        else:
            hidden, contexts = [], []
            for embedded_BE in embedded_BTE.unbind(1):
                energies_BS = self.energy(torch.tanh(keys_BSD + self.query(state_BD)[:, None]))[
                    ..., 0
                ]
                weights_BS = energies_BS.masked_fill(padding_BS, -1e4).softmax(-1)
                contexts.append((weights_BS[:, None] @ states_BSD)[:, 0])
                state_BD = self.decoder(torch.cat([embedded_BE, contexts[-1]], -1), state_BD)
                hidden.append(state_BD)
            features = [torch.stack(hidden, 1), torch.stack(contexts, 1), embedded_BTE]
        return self.vocabulary(torch.tanh(self.readout(torch.cat(features, -1))))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--attention", choices=["bahdanau", "luong"], default="bahdanau")
    parser.add_argument("--precision", choices=["bfloat16", "float32"], default="bfloat16")
    parser.add_argument("--shape", type=int, nargs=3, metavar=("B", "S", "T"), default=(64, 20, 22))
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    batch, source_length, target_length = options.shape
    model = Seq2Seq(options.attention)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    source_BS = torch.randint(1, VOCABULARY_SIZE, (batch, source_length))
    target_BT = torch.randint(1, VOCABULARY_SIZE, (batch, target_length + 1))

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=options.precision == "bfloat16"):
            logits_BTV = model(source_BS, target_BT[:, :-1])
            loss = nn.functional.cross_entropy(
                logits_BTV.float().flatten(0, 1), target_BT[:, 1:].flatten()
            )
        loss.backward()
        optimizer.step()

    for _ in range(NUM_WARM_UP):
        step()
    start = time.perf_counter()
    for _ in range(options.steps):
        step()
    seconds = (time.perf_counter() - start) / options.steps
    print(
        f"torch {torch.__version__}, {options.attention}, {options.precision}: {1e3 * seconds:.0f}"
        f" ms a step, {batch * target_length / seconds:,.0f} target tokens/s"
    )


if __name__ == "__main__":
    main()
