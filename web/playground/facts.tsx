import type { Energy } from '../shared/api-types.ts';
import { formatAmount, formatMs } from '../shared/format.ts';
import { type Generation, tokensPerSecond } from './use-generation.ts';

/** Times, version and energy of a generation; while it goes on, as this page sees them. */
export function Facts({ generation }: { readonly generation: Generation }) {
  const { facts, tokens, status, finishReason } = generation;
  const firstMs = facts?.time_to_first_token_ms ?? generation.firstTokenMs;
  const totalMs = facts?.total_ms ?? generation.totalMs;
  const rate = tokensPerSecond(generation);
  const rows: readonly (readonly [string, string | undefined])[] = [
    ['First token', firstMs === undefined ? undefined : formatMs(firstMs)],
    ['Speed', rate === undefined ? undefined : `${formatAmount(rate)} tokens/s`],
    ['Total', totalMs === undefined ? undefined : formatMs(totalMs)],
    ['Tokens', `${tokens.length}`],
    ['Ended', endText(status, finishReason)],
    ['Version', facts?.version],
    ['Variant', facts?.variant],
    ['Energy', facts?.energy && energyText(facts.energy)],
  ];
  const energyNote = facts?.energy?.method ?? facts?.energy?.reason;
  return (
    <>
      <dl class="facts">
        {rows.map(
          ([name, value]) =>
            value !== undefined && (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </div>
            ),
        )}
      </dl>
      {energyNote !== undefined && (
        <details class="muted">
          <summary>About the energy</summary>
          {energyNote}
        </details>
      )}
    </>
  );
}

function endText(status: Generation['status'], reason: string | undefined): string | undefined {
  if (status === 'running') return 'goes on';
  if (status === 'stopped') return 'stopped by you';
  if (reason === 'length') return 'most tokens reached';
  return reason === 'stop' ? 'text ended' : undefined;
}

function energyText({ status, joules, interval }: Energy): string {
  if (joules === undefined) return 'not measured';
  const ends = interval?.map(formatAmount).join(' to ');
  return `${formatAmount(joules)} J ${status}${ends === undefined ? '' : ` (${ends})`}`;
}
