import type { ValueRecord } from '../../src/core/measurement.ts';
import { namedVariants } from '../shared/api.ts';
import type { ModelEntry } from '../shared/api-types.ts';
import { Fault } from '../shared/fault.tsx';
import { formatBytes, formatPrecise } from '../shared/format.ts';
import { Table } from '../shared/table.tsx';
import type { Loaded } from '../shared/use-loaded.ts';

/** The forms of the weights that the server has, with their size and what is known of their quality. */
export function VariantTable({ models: { value, error } }: { readonly models: Loaded<readonly ModelEntry[]> }) {
  const variants = namedVariants(value ?? []);
  const texts = [...new Set(variants.flatMap((entry) => qualityOf(entry).map(textOf)))];
  return (
    <section class="card" aria-labelledby="variants-title">
      <h2 id="variants-title">Variants</h2>
      {error && <Fault error={error} />}
      {variants.length > 0 && (
        <Table
          caption="Variants"
          columns={[
            'Variant',
            { title: 'Size', isNumber: true },
            ...texts.map((text) => ({ title: `Bits per byte, ${text}`, isNumber: true as const })),
          ]}
        >
          {variants.map((entry) => {
            const { id, itera } = entry;
            return (
              <tr key={id}>
                <th scope="row">{itera.variant}</th>
                <td class="number">{typeof itera.bytes === 'number' ? formatBytes(itera.bytes) : ''}</td>
                {texts.map((text) => (
                  <td key={text} class="number">
                    {numberText(qualityOf(entry).find((record) => textOf(record) === text))}
                  </td>
                ))}
              </tr>
            );
          })}
        </Table>
      )}
      {variants.length === 1 && (
        <p class="muted">
          <code>itera-lite compress</code> makes smaller ones.
        </p>
      )}
    </section>
  );
}

const qualityOf = ({ itera }: ModelEntry): readonly ValueRecord[] =>
  (itera.measurements ?? []).filter(
    (record): record is ValueRecord => record.metric === 'bits_per_byte' && record.status !== 'notRun',
  );

const textOf = ({ conditions: { dataset, split } }: ValueRecord): string =>
  [dataset, split].filter((part) => part !== undefined).join(', ') || 'text';

function numberText(record: ValueRecord | undefined): string {
  if (!record) return '';
  const { value, interval } = record;
  return interval ? `${formatPrecise(value)} [${interval.map(formatPrecise).join(', ')}]` : formatPrecise(value);
}
