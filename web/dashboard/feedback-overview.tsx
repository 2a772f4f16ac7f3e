import { useCallback } from 'preact/hooks';
import { api } from '../shared/api.ts';
import type { FeedbackItem, FeedbackSummary } from '../shared/api-types.ts';
import { Chart } from '../shared/chart.tsx';
import { drawBars } from '../shared/draw-charts.ts';
import { Fault } from '../shared/fault.tsx';
import { formatCount, formatPercent, formatTime } from '../shared/format.ts';
import { Table } from '../shared/table.tsx';
import { useLoaded } from '../shared/use-loaded.ts';

const ratings = ['1', '2', '3', '4', '5'] as const;

/** What people said, in numbers and in the last of their words. */
export function FeedbackOverview() {
  const { value, error, reload } = useLoaded(api.feedback);
  return (
    <section class="card" aria-labelledby="feedback-title">
      <div class="card-head">
        <h2 id="feedback-title">Feedback</h2>
        <button type="button" class="small" onClick={reload}>
          Refresh<span class="visually-hidden"> feedback</span>
        </button>
      </div>
      {error && <Fault error={error} />}
      {value && <Overview summary={value} />}
    </section>
  );
}

function Overview({ summary }: { readonly summary: FeedbackSummary }) {
  const { total, negative, corrections, versions, recent } = summary;
  const draw = useCallback(
    (width: number) =>
      drawBars({
        ...{ title: 'Ratings', width, axis: { name: 'Pieces of feedback' } },
        categories: ratings.map((count) => (count === '1' ? '1 star' : `${count} stars`)),
        series: [{ name: 'ratings', bars: ratings.map((count) => ({ value: summary.ratings[count] ?? 0 })) }],
      }),
    [summary],
  );
  if (total === 0) return <p class="muted">There is none yet. The playground takes it.</p>;
  return (
    <>
      <dl class="tiles">
        {(
          [
            ['Pieces', total],
            ['Negative', negative],
            ['With a correction', corrections],
          ] as const
        ).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{formatCount(value)}</dd>
          </div>
        ))}
      </dl>
      <div class="halves">
        {Object.keys(summary.ratings).length > 0 && <Chart draw={draw} height={266} />}
        <div>
          <h3>By version</h3>
          <Table
            caption="Feedback by version"
            columns={['Version', { title: 'Pieces', isNumber: true }, { title: 'Negative', isNumber: true }]}
          >
            {versions.map(({ version, total: own, negative: bad }) => (
              <tr key={version ?? ''}>
                <th scope="row">{version ?? 'not named'}</th>
                <td class="number">{formatCount(own)}</td>
                <td class="number">
                  {formatCount(bad)} ({formatPercent(own === 0 ? 0 : bad / own)})
                </td>
              </tr>
            ))}
          </Table>
        </div>
      </div>
      <h3>The last of it</h3>
      <Table caption="Recent feedback" columns={['When', 'Prompt', 'Output', 'Judgement', 'Version']}>
        {recent.map((item) => (
          <tr key={item.id}>
            <td>{formatTime(item.created_at)}</td>
            <td class="text-cell">
              <LongText text={item.prompt} />
            </td>
            <td class="text-cell">
              <LongText text={item.output ?? ''} />
            </td>
            <td class="text-cell">
              <LongText text={judgementText(item)} />
            </td>
            <td>{item.version ?? ''}</td>
          </tr>
        ))}
      </Table>
    </>
  );
}

function judgementText({ correctness, user_rating: rating, correction, comments }: FeedbackItem): string {
  const parts = [
    typeof correctness === 'boolean' && (correctness ? 'good' : 'bad'),
    typeof rating === 'number' && `${rating} of 5`,
    correction && `should be: ${correction.trim()}`,
    comments && `“${comments}”`,
  ];
  return parts.filter(Boolean).join('\n');
}

/** So much of a text fits a cell of the table. */
const shownCharacters = 160;

function LongText({ text }: { readonly text: string }) {
  if (text.length <= shownCharacters) return <>{text}</>;
  return (
    <details>
      <summary>{text.slice(0, shownCharacters)}…</summary>
      {text}
    </details>
  );
}
