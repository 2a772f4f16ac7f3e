import { useCallback, useMemo } from 'preact/hooks';
import type { AdaptationRun } from '../shared/api-types.ts';
import { Chart } from '../shared/chart.tsx';
import { drawBars } from '../shared/draw-charts.ts';
import { Table } from '../shared/table.tsx';
import { evidenceRows, measurementsOf, ratioChart } from './run-evidence.ts';

/** What the gate found in a run, and the numbers behind it. */
export function RunDetails({ run }: { readonly run: AdaptationRun }) {
  const { findings = [], reason, evidence } = run;
  const measured = useMemo(() => measurementsOf(evidence), [evidence]);
  const draw = useCallback(
    async (width: number) => {
      const chart = measured && ratioChart(measured, width);
      return chart ? drawBars(chart) : '';
    },
    [measured],
  );
  const rows = measured ? evidenceRows(measured) : [];
  return (
    <div class="stack details">
      {reason !== undefined && <p>{reason}</p>}
      {findings.length > 0 && (
        <>
          <h3>What the gate found</h3>
          <ul class="findings">
            {findings.map(({ name, passed, sentence }) => (
              <li key={`${name} ${sentence}`}>
                <span class={passed ? 'badge good' : 'badge bad'}>{passed ? 'passed' : 'not passed'}</span>
                <span>{sentence ?? name ?? ''}</span>
              </li>
            ))}
          </ul>
        </>
      )}
      {rows.length > 0 && (
        <>
          <h3>Evidence, with 95% intervals</h3>
          <Table caption="Evidence of the run" columns={['Number', { title: 'Value', isNumber: true }, 'Meaning']}>
            {rows.map(({ name, value, note }) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td class="number">{value}</td>
                <td>{note}</td>
              </tr>
            ))}
          </Table>
        </>
      )}
      {measured && ratioChart(measured, 400) && <Chart draw={draw} height={200} />}
      {findings.length === 0 && !measured && reason === undefined && (
        <p class="muted">
          {run.status === 'running' ? 'It goes on; there is nothing to judge yet.' : 'It left no evidence.'}
        </p>
      )}
    </div>
  );
}
