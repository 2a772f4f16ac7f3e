import type { LayerType, ModelConfig } from '../models/config.ts';
import { attentionHeadSize, mambaSizes } from '../models/parameters.ts';

/** How the state-space recurrence is computed: token by token, or by matrix products within chunks of tokens. */
export type ScanForm = 'scan' | 'chunked';

/** Positions of a chunk; what `benchmarks/pytorch` found fastest on a CPU. */
const chunkSize = 32;

/**
 * Methods of the whole model in TorchScript's language: `initial_state(batch)` is a state of zeros, `step(input_ids,
 * state)` reads tokens `int64[B, T]` and gives logits `[B, T, V]` and the state after them, `forward(input_ids)` is a
 * step from the initial state. The state is two tensors for each layer, as `stateShapes` says.
 */
export function modelMethods(config: ModelConfig, self: string): string {
  const zeros = config.layersBlockType.flatMap((type) => initialShapes(config, type));
  const calls = config.layersBlockType.flatMap((_, index) => [
    `x${index + 1}, a${index}, b${index} = (getattr(layers, "${index}")).forward(x${index}, state[${2 * index}], state[${2 * index + 1}], )`,
    `n${2 * index} = torch.append(present, a${index})`,
    `n${2 * index + 1} = torch.append(present, b${index})`,
  ]);
  const last = `x${config.numHiddenLayers}`;
  const head = config.tieWordEmbeddings ? 'table' : '(self.lm_head).weight';
  const logits = scaled(`torch.linear(h, ${head})`, 1 / config.logitsScaling);
  return methods([
    [
      `initial_state(self: ${self}, batch: int) -> List[Tensor]`,
      [
        'like = ((self.model).norm).weight',
        'state = annotate(List[Tensor], [])',
        ...zeros.map(
          (shape, index) =>
            `n${index} = torch.append(state, torch.zeros([${shape.join(', ')}], dtype=ops.prim.dtype(like), layout=None, device=ops.prim.device(like)))`,
        ),
        'return state',
      ],
    ],
    [
      `step(self: ${self}, input_ids: Tensor, state: List[Tensor]) -> Tuple[Tensor, List[Tensor]]`,
      [
        'model = self.model',
        'table = (model.embed_tokens).weight',
        `x0 = ${scaled('torch.embedding(table, input_ids)', config.embeddingMultiplier)}`,
        'layers = model.layers',
        'present = annotate(List[Tensor], [])',
        ...calls,
        ...rmsNorm('h', last, '(model.norm).weight', config.rmsNormEps),
        `return (${logits}, present)`,
      ],
    ],
    [
      `forward(self: ${self}, input_ids: Tensor) -> Tensor`,
      [
        'state = (self).initial_state(torch.size(input_ids, 0), )',
        'logits, present = (self).step(input_ids, state, )',
        'return logits',
      ],
    ],
  ]);
}

/** The method of a layer: `forward(x, a, b)` with `x` `[B, T, D]` and its two tensors of state, giving all three anew. */
export function layerMethods(config: ModelConfig, type: LayerType, self: string, form: ScanForm): string {
  const mixer = type === 'mamba' ? mambaMixer(config, form) : attentionMixer(config);
  return methods([
    [
      `forward(self: ${self}, x: Tensor, a: Tensor, b: Tensor) -> Tuple[Tensor, Tensor, Tensor]`,
      [
        ...rmsNorm('u', 'x', '(self.input_layernorm).weight', config.rmsNormEps),
        'batch = torch.size(x, 0)',
        'length = torch.size(x, 1)',
        ...mixer,
        `h = torch.add(x, ${scaled('mixed', config.residualMultiplier)})`,
        ...rmsNorm('v', 'h', '(self.post_attention_layernorm).weight', config.rmsNormEps),
        ...sharedMlp(),
        ...(config.numLocalExperts > 0 ? experts(config) : ['channels = dense']),
        `y = torch.add(h, ${scaled('channels', config.residualMultiplier)})`,
        'return (y, a1, b1)',
      ],
    ],
  ]);
}

function initialShapes(config: ModelConfig, type: LayerType): readonly (readonly (string | number)[])[] {
  if (type === 'attention') {
    const cache = ['batch', config.numKeyValueHeads, 0, attentionHeadSize(config)];
    return [cache, cache];
  }
  return [
    ['batch', config.mambaDConv - 1, mambaSizes(config).conv],
    ['batch', config.mambaNHeads, config.mambaDState, config.mambaDHead],
  ];
}

/** Reads `u`, `a` (convolution) and `b` (recurrence); makes `mixed`, `a1` and `b1`. */
function mambaMixer(config: ModelConfig, form: ScanForm): readonly string[] {
  const { mambaNHeads: heads, mambaDHead: headSize, mambaDState: state, mambaNGroups: groups, mambaDConv } = config;
  const { inner, conv } = mambaSizes(config);
  const shared = groups * state;
  const tap = (index: number): string => `torch.select(taps, 1, ${index})`;
  const shifted = (index: number): string => `torch.narrow(padded, 1, ${index}, length)`;
  const perHead = (name: string, from: number): readonly string[] => [
    `${name}0 = torch.reshape(torch.narrow(convolved, 2, ${from}, ${shared}), [batch, length, ${groups}, 1, ${state}])`,
    `${name} = torch.reshape(torch.expand(${name}0, [batch, length, ${groups}, ${heads / groups}, ${state}]), [batch, length, ${heads}, ${state}])`,
  ];
  return [
    'mamba = self.mamba',
    `projected = torch.linear(u, (mamba.in_proj).weight${config.mambaProjBias ? ', (mamba.in_proj).bias' : ''})`,
    `z = torch.narrow(projected, 2, 0, ${inner})`,
    `padded = torch.cat([a, torch.narrow(projected, 2, ${inner}, ${conv})], 1)`,
    `a1 = torch.narrow(padded, 1, length, ${mambaDConv - 1})`,
    'taps = torch.squeeze((mamba.conv1d).weight, 1)',
    `c0 = torch.mul(${shifted(0)}, ${tap(0)})`,
    ...Array.from(
      { length: mambaDConv - 1 },
      (_, index) => `c${index + 1} = torch.addcmul(c${index}, ${shifted(index + 1)}, ${tap(index + 1)})`,
    ),
    `convolved = torch.silu(${config.mambaConvBias ? `torch.add(c${mambaDConv - 1}, (mamba.conv1d).bias)` : `c${mambaDConv - 1}`})`,
    // The threshold above which the function is taken for the identity: 40 is exact in float64, the default 20 is not.
    `dt = torch.softplus(torch.add(torch.narrow(projected, 2, ${inner + conv}, ${heads}), mamba.dt_bias), 1, 40)`,
    'rate = torch.mul(dt, torch.neg(torch.exp(mamba.A_log)))',
    `inner = torch.reshape(torch.narrow(convolved, 2, 0, ${inner}), [batch, length, ${heads}, ${headSize}])`,
    'stepped = torch.mul(inner, torch.unsqueeze(dt, 3))',
    ...perHead('B', inner),
    ...perHead('C', inner + shared),
    ...(form === 'scan' ? scanTokens() : scanChunks(config)),
    'skipped = torch.addcmul(scanned, inner, torch.unsqueeze(mamba.D, 1))',
    `gated = torch.mul(torch.reshape(skipped, [batch, length, ${inner}]), torch.silu(z))`,
    ...rmsNorm('normed', 'gated', '(mamba.norm).weight', config.rmsNormEps),
    `mixed = torch.linear(normed, (mamba.out_proj).weight${config.mambaProjBias ? ', (mamba.out_proj).bias' : ''})`,
  ];
}

/** S_t = exp(rate_t) S_{t-1} + B_t (outer) stepped_t; scanned_t = C_t S_t. */
function scanTokens(): readonly string[] {
  return [
    'decays = torch.unbind(torch.unsqueeze(torch.unsqueeze(torch.exp(rate), 3), 4), 1)',
    'written = torch.unbind(torch.mul(torch.unsqueeze(B, 4), torch.unsqueeze(stepped, 3)), 1)',
    'states = annotate(List[Tensor], [])',
    's = b',
    'for t in range(length):',
    '  s = torch.addcmul(written[t], decays[t], s)',
    '  _0 = torch.append(states, s)',
    'b1 = s',
    'scanned = torch.squeeze(torch.matmul(torch.unsqueeze(C, 3), torch.stack(states, 1)), 3)',
  ];
}

/** The same within and between chunks, as in `mambaChunked`; padding has rate 0, B, C and x 0, and changes nothing. */
function scanChunks(config: ModelConfig): readonly string[] {
  const { mambaNHeads: heads, mambaDHead: headSize, mambaDState: state } = config;
  const byChunk = (name: string, source: string, width: number): string =>
    `${name} = torch.permute(torch.reshape(torch.constant_pad_nd(${source}, [0, 0, 0, 0, 0, missing], 0), [batch, chunks, ${chunkSize}, ${heads}, ${width}]), [0, 1, 3, 2, 4])`;
  return [
    `chunks = torch.floordiv(torch.add(length, ${chunkSize - 1}), ${chunkSize})`,
    `missing = torch.sub(torch.mul(chunks, ${chunkSize}), length)`,
    byChunk('Bc', 'B', state),
    byChunk('Cc', 'C', state),
    byChunk('xc', 'stepped', headSize),
    `rates = torch.reshape(torch.constant_pad_nd(rate, [0, 0, 0, missing], 0), [batch, chunks, ${chunkSize}, ${heads}])`,
    'total = torch.cumsum(torch.permute(rates, [0, 1, 3, 2]), 3)',
    `above = torch.triu(torch.ones([${chunkSize}, ${chunkSize}], dtype=11, layout=None, device=ops.prim.device(b)), 1)`,
    'reach = torch.exp(torch.masked_fill(torch.sub(torch.unsqueeze(total, 4), torch.unsqueeze(total, 3)), above, -1e9))',
    'within = torch.matmul(torch.mul(reach, torch.matmul(Cc, torch.transpose(Bc, 3, 4))), xc)',
    `last = torch.narrow(total, 3, ${chunkSize - 1}, 1)`,
    'fading = torch.mul(xc, torch.unsqueeze(torch.exp(torch.sub(last, total)), 4))',
    'left = torch.unbind(torch.matmul(torch.transpose(Bc, 3, 4), fading), 1)',
    'decays = torch.unbind(torch.unsqueeze(torch.exp(last), 4), 1)',
    'states = annotate(List[Tensor], [])',
    's = b',
    'for t in range(chunks):',
    '  _0 = torch.append(states, s)',
    '  s = torch.addcmul(left[t], decays[t], s)',
    'b1 = s',
    'across = torch.mul(torch.matmul(Cc, torch.stack(states, 1)), torch.unsqueeze(torch.exp(total), 4))',
    `joined = torch.reshape(torch.permute(torch.add(within, across), [0, 1, 3, 2, 4]), [batch, torch.mul(chunks, ${chunkSize}), ${heads}, ${headSize}])`,
    'scanned = torch.narrow(joined, 1, 0, length)',
  ];
}

/** Reads `u`, `a` (keys so far) and `b` (values so far); makes `mixed`, `a1` and `b1`. */
function attentionMixer(config: ModelConfig): readonly string[] {
  const { numAttentionHeads: heads, numKeyValueHeads: groups, hiddenSize } = config;
  const size = attentionHeadSize(config);
  const perGroup = heads / groups;
  const heading = (name: string, count: number): string =>
    `torch.transpose(torch.reshape(torch.linear(u, (attention.${name}).weight), [batch, length, ${count}, ${size}]), 1, 2)`;
  const isRotary = config.positionEmbeddingType === 'rope';
  const rotated = (name: string, source: string): readonly string[] =>
    isRotary
      ? [
          `${name}0 = ${source}`,
          `${name}r = torch.cat([torch.neg(torch.narrow(${name}0, 3, ${size / 2}, ${size / 2})), torch.narrow(${name}0, 3, 0, ${size / 2})], 3)`,
          `${name} = torch.add(torch.mul(${name}0, cosines), torch.mul(${name}r, sines))`,
        ]
      : [`${name} = ${source}`];
  const angles = [
    // In float64, whatever the weights are: positions times rates lose digits soon.
    'positions = torch.arange(past, torch.add(past, length), dtype=7, layout=None, device=ops.prim.device(u))',
    `steps = torch.arange(0, ${size / 2}, dtype=7, layout=None, device=ops.prim.device(u))`,
    `rates = torch.exp(torch.mul(steps, ${float(-Math.log(config.ropeTheta) / (size / 2))}))`,
    'half = torch.mul(torch.unsqueeze(positions, 1), rates)',
    'angles = torch.cat([half, half], 1)',
    'cosines = torch.to(torch.cos(angles), ops.prim.dtype(u))',
    'sines = torch.to(torch.sin(angles), ops.prim.dtype(u))',
  ];
  return [
    'attention = self.self_attn',
    'past = torch.size(a, 2)',
    'total = torch.add(past, length)',
    ...(isRotary ? angles : []),
    ...rotated('query', heading('q_proj', heads)),
    ...rotated('key', heading('k_proj', groups)),
    'a1 = torch.cat([a, key], 2)',
    `b1 = torch.cat([b, ${heading('v_proj', groups)}], 2)`,
    `grouped = torch.reshape(query, [batch, ${groups}, ${perGroup}, length, ${size}])`,
    `scores = torch.mul(torch.matmul(grouped, torch.transpose(torch.unsqueeze(a1, 2), 3, 4)), ${float(config.attentionMultiplier)})`,
    'above = torch.triu(torch.ones([length, total], dtype=11, layout=None, device=ops.prim.device(u)), torch.add(past, 1))',
    'weights = torch.softmax(torch.masked_fill(scores, above, -1e9), -1)',
    'attended = torch.matmul(weights, torch.unsqueeze(b1, 2))',
    `merged = torch.transpose(torch.reshape(attended, [batch, ${heads}, length, ${size}]), 1, 2)`,
    `mixed = torch.linear(torch.reshape(merged, [batch, length, ${hiddenSize}]), (attention.o_proj).weight)`,
  ];
}

function sharedMlp(): readonly string[] {
  return [
    'shared = self.shared_mlp',
    'gate, up = torch.chunk(torch.linear(v, (shared.input_linear).weight), 2, -1)',
    'dense = torch.linear(torch.mul(torch.silu(gate), up), (shared.output_linear).weight)',
  ];
}

/** All experts on all tokens, weighted by the router: of those not chosen, by 0. */
function experts({ numExpertsPerTok: k, hiddenSize: width }: ModelConfig): readonly string[] {
  return [
    'moe = self.block_sparse_moe',
    `tokens = torch.reshape(v, [torch.mul(batch, length), ${width}])`,
    'router = torch.linear(tokens, ((moe.router).layer).weight)',
    `best, chosen = torch.topk(router, ${k}, 1, True, True)`,
    'shares = torch.scatter(torch.zeros_like(router), 1, chosen, torch.softmax(best, 1))',
    'opened = torch.matmul(torch.unsqueeze(tokens, 0), torch.transpose((moe.input_linear).weight, 1, 2))',
    'left_half, right_half = torch.chunk(opened, 2, -1)',
    'hidden = torch.mul(torch.mul(torch.silu(left_half), right_half), torch.unsqueeze(torch.transpose(shares, 0, 1), 2))',
    'each = torch.matmul(hidden, torch.transpose((moe.output_linear).weight, 1, 2))',
    `channels = torch.add(torch.reshape(torch.sum(each, [0]), [batch, length, ${width}]), dense)`,
  ];
}

const rmsNorm = (to: string, from: string, weight: string, epsilon: number): readonly string[] => [
  `${to}_scale = torch.rsqrt(torch.add(torch.mean(torch.mul(${from}, ${from}), [-1], True), ${float(epsilon)}))`,
  `${to} = torch.mul(torch.mul(${from}, ${to}_scale), ${weight})`,
];

const scaled = (value: string, factor: number): string =>
  factor === 1 ? value : `torch.mul(${value}, ${float(factor)})`;

/** A number as TorchScript reads a float: with a point or an exponent. */
function float(value: number): string {
  const text = String(value);
  return /[.e]/.test(text) ? text : `${text}.`;
}

const methods = (all: readonly (readonly [signature: string, body: readonly string[]])[]): string =>
  all.map(([signature, body]) => `  def ${signature}:\n${body.map((line) => `    ${line}\n`).join('')}`).join('');
