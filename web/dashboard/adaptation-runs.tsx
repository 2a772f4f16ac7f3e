import { useEffect, useState } from 'preact/hooks';
import { api } from '../shared/api.ts';
import type { AdaptationRun } from '../shared/api-types.ts';
import { Fault, faultText } from '../shared/fault.tsx';
import { formatDuration, formatTime } from '../shared/format.ts';
import { Table } from '../shared/table.tsx';
import { useLoaded } from '../shared/use-loaded.ts';
import { RunDetails } from './run-details.tsx';

const triggers: Readonly<Record<string, string>> = {
  manual: 'by hand',
  negativeFeedback: 'negative feedback',
  schedule: 'schedule',
};

/** While a run goes on, the table is loaded again after so long. */
const refreshMs = 3000;

/** Runs that learnt from feedback, and a button that starts one. */
export function AdaptationRuns() {
  const { value, error, reload } = useLoaded(api.runs);
  const [opened, setOpened] = useState<string>();
  const [message, setMessage] = useState<{ readonly text: string; readonly isFault: boolean }>();
  const isRunning = value?.some(({ status }) => status === 'running') ?? false;
  useEffect(() => {
    if (!isRunning) return undefined;
    const timer = setInterval(reload, refreshMs);
    return () => clearInterval(timer);
  }, [isRunning, reload]);

  async function begin(): Promise<void> {
    try {
      await api.adapt();
      setMessage({ text: 'A run has started. It takes some minutes.', isFault: false });
      reload();
    } catch (fault) {
      setMessage({ text: faultText(fault), isFault: true });
    }
  }

  return (
    <section class="card" aria-labelledby="runs-title">
      <div class="card-head">
        <h2 id="runs-title">Adaptation runs</h2>
        <div class="row">
          <p role="status" class={message?.isFault ? 'fault' : 'confirmation'}>
            {message?.text}
          </p>
          <button type="button" class="small" onClick={() => void begin()}>
            Start a run
          </button>
          <button type="button" class="small" onClick={reload}>
            Refresh<span class="visually-hidden"> runs</span>
          </button>
        </div>
      </div>
      {error && <Fault error={error} />}
      {value?.length === 0 && <p class="muted">There was none yet.</p>}
      {value && value.length > 0 && (
        <Table caption="Adaptation runs" columns={['Run', 'Status', 'Started by', 'From', 'Made', 'Began', 'Took']}>
          {value.map((run) => (
            <RunRows
              key={run.id}
              run={run}
              isOpen={opened === run.id}
              onToggle={() => setOpened(opened === run.id ? undefined : run.id)}
            />
          ))}
        </Table>
      )}
    </section>
  );
}

interface RunRowsProps {
  readonly run: AdaptationRun;
  readonly isOpen: boolean;
  readonly onToggle: () => void;
}

function RunRows({ run, isOpen, onToggle }: RunRowsProps) {
  const { id, status, trigger, parent, candidate, started_at: began, ended_at: ended } = run;
  const tone = { promoted: 'good', canary: 'good', failed: 'bad' }[status] ?? '';
  return (
    <>
      <tr>
        <th scope="row">
          <button type="button" class="small" aria-expanded={isOpen} onClick={onToggle}>
            {isOpen ? 'Hide' : 'Show'} <code>{id.slice(0, 8)}</code>
          </button>
        </th>
        <td>
          <span class={`badge ${tone}`}>{status}</span>
        </td>
        <td>{triggers[trigger] ?? trigger}</td>
        <td>{parent}</td>
        <td>{candidate ?? ''}</td>
        <td>{formatTime(began)}</td>
        <td>{ended === undefined ? '' : formatDuration((Date.parse(ended) - Date.parse(began)) / 1000)}</td>
      </tr>
      {isOpen && (
        <tr>
          <td colSpan={7}>
            <RunDetails run={run} />
          </td>
        </tr>
      )}
    </>
  );
}
