import { IteraError } from '../core/errors.ts';
import type { GateVerdict } from '../evaluation/gate.ts';
import { type CompressedVariant, compressedVariants, isCompressed } from '../models/variants.ts';

/**
 * The variants that `--variant` names, in their usual order; `all` stands for every one.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` for an unknown name.
 */
export function chooseVariants(names: readonly string[], others: readonly string[] = []): readonly CompressedVariant[] {
  const chosen = new Set(names.flatMap((name): readonly string[] => (name === 'all' ? compressedVariants : [name])));
  const unknown = [...chosen].find((name) => !isCompressed(name));
  if (unknown !== undefined) {
    const known = [...compressedVariants, ...others].join(', ');
    const message = `Expected --variant ${known} or all, got ${JSON.stringify(unknown)}.`;
    throw new IteraError('INVALID_ARGUMENT', message, { variant: unknown });
  }
  return compressedVariants.filter((variant) => chosen.has(variant));
}

/** @throws {@link IteraError} `GATE_REFUSED` with the sentences of what did not pass, if anything did not. */
export function refuseFailures(verdicts: readonly GateVerdict[]): void {
  const failed = verdicts.filter(({ passed }) => !passed);
  if (failed.length === 0) return;
  throw new IteraError('GATE_REFUSED', failed.map(({ sentence }) => sentence).join(' '), { verdicts });
}
