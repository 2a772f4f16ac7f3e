import type { Provenance } from '../../core/measurement.ts';
import type { RecordPair } from './match-records.ts';

const compared = [
  ['iteraLite', 'Itera-Lite'],
  ['commit', 'Commit'],
  ['node', 'Node.js'],
  ['onnxruntime', 'ONNX Runtime'],
  ['platform', 'Platform'],
  ['cpu', 'Processor'],
  ['cpuCount', 'Logical cores'],
  ['threads', 'Threads'],
  ['seed', 'Seed'],
] as const satisfies readonly (readonly [keyof Provenance, string])[];

/** What differs in how two sets of records were made, in plain sentences. */
export function describeDifferences(before: Provenance, after: Provenance, pairs: readonly RecordPair[]): string[] {
  const facts = compared.flatMap(([key, name]) => {
    const [was, is] = [before[key], after[key]];
    return was === is ? [] : [`${name}: ${was ?? 'unknown'} before, ${is ?? 'unknown'} after.`];
  });
  return [...facts, ...describeFiles(before.hashes, after.hashes), ...describePairs(pairs)];
}

function describeFiles(before: Provenance['hashes'], after: Provenance['hashes']): string[] {
  const changed = Object.keys(after).filter((name) => before[name] !== undefined && before[name] !== after[name]);
  return changed.length === 0 ? [] : [`Files that differ: ${changed.sort().join(', ')}.`];
}

/** Says once what many pairs have in common. */
function describePairs(pairs: readonly RecordPair[]): string[] {
  const counts = new Map<string, number>();
  for (const { differing } of pairs) {
    for (const [name, [was, is]] of Object.entries(differing)) {
      const text = `${name} ${was} before and ${is} after`;
      counts.set(text, (counts.get(text) ?? 0) + 1);
    }
  }
  return [...counts].map(
    ([text, count]) => `Matched although they differ: ${text} (${count} of ${pairs.length} pairs).`,
  );
}
