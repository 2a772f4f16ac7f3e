"""Writes rust-fixture.json: what Hugging Face's Rust tokenizer (pip install tokenizers==0.23.2) trains and encodes."""

import json
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

texts = [
    "The dog ran to the river. The river ran to the sea, and the dog sat on the sand.\n\n"
    "It was 1984; then 2024. She'll say it's the dog's sea, won't she?\n",
    "aaaa aaa aa a aaaaa baaab abab ababab   abc bca cab\n\tabcabc  12 3",
    "Ein Fluß, ein Übel; река текла к морю. 川は海へ流れる。 🙂🙂 e\u0301e\u0301",
]
cases = [
    *texts,
    "",
    " ",
    "  7  ½ ٣٤ Ⅷx²",
    "a\u0085b \ufeff c\u00a0d \u3000 e",
    "I'LL we'll 're 've'd",
    "<|endoftext|> in a text",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "\u0000\r\n\r\n \r x",
]

tokenizer = Tokenizer(models.BPE())
tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
    [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
)
tokenizer.train_from_iterator(
    texts,
    trainers.BpeTrainer(
        vocab_size=300,
        min_frequency=2,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    ),
)
definition = json.loads(tokenizer.to_str())
definition["added_tokens"] = []
plain = Tokenizer.from_str(json.dumps(definition))
fixture = {
    "texts": texts,
    "merges": [" ".join(pair) for pair in definition["model"]["merges"]],
    "cases": [{"text": text, "ids": plain.encode(text, add_special_tokens=False).ids} for text in cases],
}
path = Path(__file__).with_name("rust-fixture.json")
path.write_text(json.dumps(fixture, indent=2) + "\n", encoding="utf-8")
