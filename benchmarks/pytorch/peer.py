"""A process that answers one JSON line on stdout for each JSON command line on stdin. Protocol: see README.md."""

import ctypes
import json
import os
import resource
import sys
import time


def keep_memory():
    """Keeps freed memory in the process, as PyTorch's tuning guide advises for CPU.

    By default glibc gives large buffers back to the system after each use, and a training step then spends a tenth
    of its time on page faults. Elsewhere (macOS, musl) this does nothing.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    trim_threshold, mmap_threshold = -1, -3
    mallopt(mmap_threshold, 1 << 30)
    mallopt(trim_threshold, (1 << 31) - 1)


# --plain leaves memory and convolution as most users have them; see README.md.
PLAIN = "--plain" in sys.argv[1:]
if not PLAIN:
    keep_memory()

import torch  # noqa: E402  (after the allocator is set)

from granite_hybrid import Config, GraniteHybrid  # noqa: E402
from safetensors_file import read_safetensors, write_safetensors  # noqa: E402

DTYPES = {"float32": torch.float32, "float64": torch.float64}


def field(command, key):
    if key not in command:
        raise ValueError(f"command {command['cmd']}: expected {key}, found {', '.join(sorted(command))}")
    return command[key]


def blas_libraries():
    """What this process has loaded for matrix products: file name, and OpenBLAS's own description of itself."""
    try:
        with open("/proc/self/maps") as maps:
            paths = {line.split()[-1] for line in maps if ".so" in line}
    except OSError:
        return []
    found = []
    for path in sorted(paths):
        base = os.path.basename(path).lower()
        if any(mark in base for mark in ("blas", "mkl_", "blis")):
            text = os.path.realpath(path)
            try:
                describe = ctypes.CDLL(path).openblas_get_config
                describe.restype = ctypes.c_char_p
                text += " " + describe().decode()
            except (AttributeError, OSError):
                pass
            found.append(text)
    return found


class Peer:
    def __init__(self):
        self.model = None

    def ready(self):
        if self.model is None:
            raise ValueError("no model yet: send init first")
        return self.model

    def tokens(self, command, key):
        """int64[B,T] from a nested list, checked against the vocabulary."""
        tokens = torch.tensor(field(command, key), dtype=torch.int64)
        vocabulary = self.ready().config.vocab_size
        if tokens.dim() != 2 or tokens.numel() == 0:
            raise ValueError(f"{key}: expected a non-empty list of equally long lists, got shape {list(tokens.shape)}")
        if tokens.min() < 0 or tokens.max() >= vocabulary:
            raise ValueError(f"{key}: expected 0 to {vocabulary - 1}, got {tokens.min()} to {tokens.max()}")
        return tokens

    def init(self, command):
        dtype = command.get("dtype") or "float32"
        if dtype not in DTYPES:
            raise ValueError(f"dtype: expected float32 or float64, got {dtype}")
        if command.get("threads"):
            torch.set_num_threads(command["threads"])
        torch.manual_seed(command.get("seed", 0))
        options = {key: command[key] for key in ("chunk", "experts") if command.get(key)}
        model = GraniteHybrid(Config(field(command, "config"), plain=PLAIN, **options))
        if command.get("weights"):
            tensors = read_safetensors(command["weights"])
            if model.config.tie_word_embeddings:
                tensors.pop("lm_head.weight", None)
            # Wide first: float64 weights must not pass through float32.
            model.to(DTYPES[dtype]).load_state_dict(tensors)
        self.model = model.to(DTYPES[dtype])
        return {"parameters": sum(p.numel() for p in model.parameters()), "threads": torch.get_num_threads()}

    def logits(self, command):
        tokens = self.tokens(command, "tokens")
        with torch.no_grad():
            logits, aux = self.model(tokens)
        return {"logits": logits.tolist(), "aux": aux.item()}

    def gradients(self, command):
        tokens, targets = self.tokens(command, "tokens"), self.tokens(command, "targets")
        out = field(command, "out")
        self.model.zero_grad(set_to_none=True)
        total, cross, aux = self.model.loss(tokens, targets, command.get("aux_coef", 0.0))
        total.backward()
        gradients = {
            name: torch.zeros_like(p) if p.grad is None else p.grad for name, p in self.model.named_parameters()
        }
        write_safetensors(out, gradients)
        self.model.zero_grad(set_to_none=True)
        return {"loss": total.item(), "cross_entropy": cross.item(), "aux": aux.item(), "out": out}

    def train(self, command):
        model, steps = self.ready(), field(command, "steps")
        batch, length = field(command, "batch"), field(command, "length")
        generator = torch.Generator().manual_seed(command.get("seed", 0))
        size = (steps, batch, length + 1)
        tokens = torch.randint(model.config.vocab_size, size, generator=generator)
        parameters = list(model.parameters())
        optimiser = torch.optim.AdamW(
            parameters,
            lr=command.get("lr", 1e-3),
            betas=tuple(command.get("betas", (0.9, 0.999))),
            eps=command.get("eps", 1e-8),
            weight_decay=command.get("weight_decay", 0.01),
            foreach=True,
        )
        clip, aux_coef = command.get("clip", 1.0), command.get("aux_coef", 0.0)
        seconds, losses = [], []
        for row in tokens:
            start = time.perf_counter()
            optimiser.zero_grad(set_to_none=True)
            total, _, _ = model.loss(row[:, :-1], row[:, 1:], aux_coef)
            total.backward()
            if clip:
                torch.nn.utils.clip_grad_norm_(parameters, clip)
            optimiser.step()
            losses.append(total.item())
            seconds.append(time.perf_counter() - start)
        optimiser.zero_grad(set_to_none=True)
        return {"seconds": seconds, "losses": losses, "tokens_per_step": batch * length}

    def matmul(self, command):
        size, repeats = field(command, "size"), field(command, "repeats")
        if command.get("threads"):
            torch.set_num_threads(command["threads"])
        a, b = torch.randn(2, size, size, dtype=DTYPES[command.get("dtype") or "float32"])
        out = a @ b
        rates = []
        for _ in range(repeats):
            start = time.perf_counter()
            torch.mm(a, b, out=out)
            rates.append(2e-9 * size**3 / (time.perf_counter() - start))
        rates.sort()
        return {"gflops": rates[-1], "median_gflops": rates[len(rates) // 2], "threads": torch.get_num_threads()}

    def info(self, command):
        return {
            "torch": torch.__version__,
            "python": sys.version.split()[0],
            "threads": torch.get_num_threads(),
            "blas": blas_libraries(),
            "onednn": torch.backends.mkldnn.is_available(),
            "build": torch.__config__.show(),
            "peak_memory_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        }

    COMMANDS = ("init", "logits", "gradients", "train", "matmul", "info")

    def answer(self, line):
        try:
            command = json.loads(line)
            if not isinstance(command, dict) or command.get("cmd") not in self.COMMANDS:
                raise ValueError(f"expected an object with cmd, one of {', '.join(self.COMMANDS)}")
            return json.dumps(getattr(self, command["cmd"])(command), allow_nan=False)
        except Exception as error:  # Every failure is an answer: the caller decides whether to go on.
            return json.dumps({"error": f"{type(error).__name__}: {error}"})


def main():
    peer = Peer()
    # Only answers may reach stdout: whatever else prints there goes to stderr.
    out, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        if line.strip():
            print(peer.answer(line), file=out, flush=True)


if __name__ == "__main__":
    main()
