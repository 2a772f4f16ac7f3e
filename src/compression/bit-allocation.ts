import { IteraError } from '../core/errors.ts';
import type { BitWidth } from '../core/quantized-matrix.ts';

/** One way to store a tensor. */
export interface BitOption {
  readonly bits: BitWidth;
  /** Columns that share a scale; where only bits are chosen it does not matter. */
  readonly blockSize?: number;
  /** Bytes in the file, a whole number. */
  readonly bytes: number;
  /** By how much the model's loss rises if only this tensor is stored so, in nats per token; at least 0. */
  readonly predictedLoss: number;
}

/** A tensor and the ways to store it; one whose loss is not finite is never taken. */
export interface AllocatableTensor<O extends BitOption = BitOption> {
  readonly name: string;
  readonly options: readonly O[];
}

/** The option taken for each tensor by its name. */
export type BitAssignment<O extends BitOption = BitOption> = ReadonlyMap<string, O>;

export interface BitAllocation<O extends BitOption = BitOption> {
  readonly assignment: BitAssignment<O>;
  /** Of all tensors together. */
  readonly bytes: number;
  /** Summed over the tensors. */
  readonly predictedLoss: number;
}

/** What an allocation may cost: nats per token, or bytes. */
export type AllocationLimit = { readonly loss: number } | { readonly bytes: number };

/** Allocations kept while tensors are added; more are thinned out. */
const mostKept = 2 ** 14;

/** An allocation of the first tensors, as a choice for the last of them and an allocation of those before. */
interface PartialAllocation<O extends BitOption> {
  readonly bytes: number;
  readonly loss: number;
  readonly option?: O;
  readonly before?: PartialAllocation<O>;
}

/**
 * Chooses bits for every tensor such that the whole is as small as possible with a summed predicted loss within a
 * budget; or such that the summed loss is as small as possible within a number of bytes.
 *
 * This is the multiple-choice knapsack problem. Tensors are added one by one, keeping every allocation that no other
 * beats in both bytes and loss, so the result is optimal. Only where more than 16,384 are left are those of nearly
 * equal size thinned out: then the whole can be larger than the optimum by its share of 1 / 16,384 for each tensor. The
 * limit itself is always kept.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` without tensors, for names that are not unique, a tensor without usable
 *   options, numbers out of range, and a limit that no allocation keeps; the message says the least one that works.
 * @see Kellerer, Pferschy, Pisinger 2004, "Knapsack Problems", section 11.5 (dynamic programming by dominance).
 */
export function allocateBits<O extends BitOption>(
  tensors: readonly AllocatableTensor<O>[],
  limit: AllocationLimit,
): BitAllocation<O> {
  const front = allocationFront(tensors);
  // By rising bytes and falling loss: the first within a loss is the smallest, the last within a size the best.
  const found =
    'loss' in limit
      ? front.find(({ loss }) => loss <= limit.loss)
      : front.findLast(({ bytes }) => bytes <= limit.bytes);
  if (found) return describe(found, tensors);
  const [what, least, got] =
    'loss' in limit
      ? ['nats per token', (front.at(-1) as PartialAllocation<O>).loss, limit.loss]
      : ['bytes', (front[0] as PartialAllocation<O>).bytes, limit.bytes];
  const message = `Expected a budget of at least ${least} ${what}, the least that these tensors can have, got ${got}.`;
  throw new IteraError('INVALID_ARGUMENT', message, { least, got });
}

function allocationFront<O extends BitOption>(
  tensors: readonly AllocatableTensor<O>[],
): readonly PartialAllocation<O>[] {
  checkTensors(tensors);
  let front: readonly PartialAllocation<O>[] = [{ bytes: 0, loss: 0 }];
  for (const { options } of tensors) {
    const usable = options.filter(({ predictedLoss }) => Number.isFinite(predictedLoss));
    const extended = usable.flatMap((option) =>
      front.map((before) => ({
        bytes: before.bytes + option.bytes,
        loss: before.loss + option.predictedLoss,
        option,
        before,
      })),
    );
    front = thin(keepUndominated(extended));
  }
  return front;
}

/** Those that none beats in one of bytes and loss and equals in the other, by rising bytes. */
function keepUndominated<O extends BitOption>(partials: PartialAllocation<O>[]): readonly PartialAllocation<O>[] {
  partials.sort((a, b) => a.bytes - b.bytes || a.loss - b.loss);
  let least = Number.POSITIVE_INFINITY;
  return partials.filter(({ loss }) => {
    if (loss >= least) return false;
    least = loss;
    return true;
  });
}

/** Of each range of sizes the one of the least loss; always also the smallest, so that no limit becomes unreachable. */
function thin<O extends BitOption>(front: readonly PartialAllocation<O>[]): readonly PartialAllocation<O>[] {
  if (front.length <= mostKept) return front;
  const smallest = (front[0] as PartialAllocation<O>).bytes;
  const width = ((front.at(-1) as PartialAllocation<O>).bytes - smallest) / mostKept;
  const range = ({ bytes }: PartialAllocation<O>): number => Math.floor((bytes - smallest) / width);
  return front.filter((partial, index) => {
    const next = front[index + 1];
    return index === 0 || !next || range(next) > range(partial);
  });
}

function describe<O extends BitOption>(
  allocation: PartialAllocation<O>,
  tensors: readonly AllocatableTensor<O>[],
): BitAllocation<O> {
  const chosen: O[] = [];
  for (let at: PartialAllocation<O> | undefined = allocation; at?.option; at = at.before) chosen.push(at.option);
  chosen.reverse();
  const assignment = new Map(tensors.map(({ name }, index) => [name, chosen[index] as O]));
  return { assignment, bytes: allocation.bytes, predictedLoss: allocation.loss };
}

/** @throws {@link IteraError} `INVALID_ARGUMENT` for tensors that bits cannot be chosen for. */
export function checkTensors(tensors: readonly AllocatableTensor[]): void {
  const refuse = (message: string): never => {
    throw new IteraError('INVALID_ARGUMENT', message);
  };
  if (tensors.length === 0) refuse('Expected tensors to choose bits for, got none.');
  const names = new Set<string>();
  for (const { name, options } of tensors) {
    if (names.has(name)) refuse(`Expected tensors of different names, got ${name} twice.`);
    names.add(name);
    for (const { bits, bytes, predictedLoss } of options) {
      if (!(Number.isSafeInteger(bytes) && bytes >= 0) || predictedLoss < 0) {
        refuse(
          `Expected whole bytes and a predicted loss of at least 0, got ${bytes} and ${predictedLoss} for ${name} at ${bits} bits.`,
        );
      }
    }
    if (!options.some(({ predictedLoss }) => Number.isFinite(predictedLoss))) {
      refuse(`Expected an option with a finite loss for ${name}, got ${options.length} without. Give it more bits.`);
    }
  }
}
